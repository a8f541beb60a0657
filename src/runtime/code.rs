//! Which code a workspace is at: the commit of the git repository around it, read without git.

use std::path::{Path, PathBuf};

/// The commit that is checked out around `folder`; none outside a repository, or when its files are not understood.
pub fn commit(folder: &Path) -> Option<String> {
    let git = folder
        .ancestors()
        .map(|ancestor| ancestor.join(".git"))
        .find(|path| path.exists())?;
    let git = if git.is_file() {
        // a work tree beside the repository: the file says where it lies
        let text = std::fs::read_to_string(&git).ok()?;
        let path = PathBuf::from(text.trim().strip_prefix("gitdir: ")?);
        git.parent()?.join(path)
    } else {
        git
    };
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else {
        return hash(&head);
    };
    // branches of a further work tree lie in the common folder
    let common = match std::fs::read_to_string(git.join("commondir")) {
        Ok(path) => git.join(path.trim()),
        Err(_) => git,
    };
    if let Ok(text) = std::fs::read_to_string(common.join(name)) {
        return hash(&text);
    }
    let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| {
        let (commit, reference) = line.split_once(' ')?;
        (reference == name).then(|| hash(commit))?
    })
}

fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    (text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_branch_is_found_loose_and_packed() {
        let root = tempfile::tempdir().unwrap();
        let git = root.path().join(".git");
        std::fs::create_dir_all(git.join("refs/heads")).unwrap();
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        let inner = root.path().join("a/b");
        let commit_id = "0123456789abcdef0123456789abcdef01234567";
        std::fs::write(
            git.join("packed-refs"),
            format!("# pack-refs\n{commit_id} refs/heads/main\n"),
        )
        .unwrap();
        assert_eq!(commit(&inner).as_deref(), Some(commit_id));
        let newer = commit_id.replace('0', "f");
        std::fs::write(git.join("refs/heads/main"), format!("{newer}\n")).unwrap();
        assert_eq!(commit(&inner), Some(newer));
    }
}

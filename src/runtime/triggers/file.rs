//! Files of datasets appeared or changed. For a pipeline's trigger: watched, debounced (each change waits anew), settled (two looks a debounce
//! apart saw the same sizes and times), and then known by their content: the same content is started once.

use super::growth::Growth;
use super::{Occasion, Wake};
use crate::config::{Config, TriggerOn};
use crate::domain::Result;
use crate::domain::job::DataSource;
use crate::domain::trigger::Cause;
use crate::service::Services;
use notify::event::EventKind;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Names told in a cause.
const NAMES: usize = 5;

/// The watched files of all file triggers.
pub(super) struct Files {
    waker: Sender<Wake>,
    watcher: Option<RecommendedWatcher>,
    watches: Vec<Watch>,
    growths: Vec<Growth>,
}

/// One file trigger.
struct Watch {
    pipeline: String,
    dataset: String,
    debounce: Duration,
    patterns: Vec<glob::Pattern>,
    /// Since when it is looked at, and what was seen then.
    pending: Option<(Instant, Listing)>,
}

/// Path, size and time of every file.
pub(super) type Listing = BTreeMap<PathBuf, (u64, Option<std::time::SystemTime>)>;

/// The files that patterns name now, without those that say that they are being written.
pub(super) fn listing(patterns: &[glob::Pattern]) -> Listing {
    patterns
        .iter()
        .filter_map(|pattern| glob::glob(pattern.as_str()).ok())
        .flatten()
        .flatten()
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy();
            if name.starts_with('.') || name.ends_with(".part") || name.ends_with(".tmp") {
                return None;
            }
            let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let seen = (metadata.len(), metadata.modified().ok());
            Some((path, seen))
        })
        .collect()
}

impl Files {
    pub(super) fn new(waker: Sender<Wake>) -> Self {
        Self {
            waker,
            watcher: None,
            watches: Vec::new(),
            growths: Vec::new(),
        }
    }

    /// Watches what the configuration says, and looks at everything once: files may have come while nobody watched.
    pub(super) fn watch(&mut self, services: &Services, config: &Config) {
        self.watcher = None;
        self.watches.clear();
        self.growths.clear();
        let mut folders: BTreeMap<PathBuf, RecursiveMode> = BTreeMap::new();
        for trigger in &config.triggers {
            let TriggerOn::File { debounce } = trigger.on else {
                continue;
            };
            let Some(pipeline) = config.pipeline(&trigger.pipeline) else {
                continue;
            };
            let patterns = match patterns(services, config, &pipeline.dataset) {
                Ok(patterns) => patterns,
                Err(error) => {
                    warn!(pipeline = pipeline.name, %error, "a file trigger has nothing to watch");
                    continue;
                }
            };
            for pattern in &patterns {
                add(&mut folders, pattern);
            }
            self.watches.push(Watch {
                pipeline: pipeline.name.clone(),
                dataset: pipeline.dataset.clone(),
                debounce: Duration::from_millis(u64::try_from(debounce).unwrap_or_default()),
                patterns: patterns
                    .iter()
                    .filter_map(|pattern| glob::Pattern::new(&pattern.to_string_lossy()).ok())
                    .collect(),
                pending: None,
            });
        }
        let root = services.core.workspace.root();
        for dataset in &config.datasets {
            let Some(pattern) = dataset.path.as_ref().map(|path| root.join(path)) else {
                continue;
            };
            let Ok(matcher) = glob::Pattern::new(&pattern.to_string_lossy()) else {
                continue;
            };
            // a folder that is not there yet is looked at when the configuration is read again
            if base(&pattern).0.is_dir() {
                add(&mut folders, &pattern);
            }
            self.growths.push(Growth::new(&dataset.name, matcher));
        }
        if folders.is_empty() {
            return;
        }
        if let Err(error) = self.open(&folders) {
            warn!(%error, "new files will be seen at the next start only");
        }
        self.rescan();
    }

    fn open(&mut self, folders: &BTreeMap<PathBuf, RecursiveMode>) -> Result<()> {
        let waker = self.waker.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let wake = match event {
                    Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
                    Ok(event) if event.need_rescan() => Wake::Rescan,
                    Ok(event) => Wake::Files(event.paths),
                    Err(_) => Wake::Rescan,
                };
                // an error means that the daemon ends
                let _ = waker.send(wake);
            })?;
        for (folder, mode) in folders {
            if let Err(error) = watcher.watch(folder, *mode) {
                warn!(folder = %folder.display(), %error, "a folder cannot be watched");
            }
        }
        self.watcher = Some(watcher);
        Ok(())
    }

    /// Something changed at these paths.
    pub(super) fn changed(&mut self, paths: &[PathBuf]) {
        for watch in &mut self.watches {
            let touched = paths.iter().any(|path| {
                watch
                    .patterns
                    .iter()
                    .any(|pattern| pattern.matches_path(path))
            });
            if touched {
                watch.pending = Some((Instant::now(), watch.listing()));
            }
        }
        for growth in &mut self.growths {
            growth.changed(paths);
        }
    }

    /// Anything may have changed.
    pub(super) fn rescan(&mut self) {
        for watch in &mut self.watches {
            watch.pending = Some((Instant::now(), watch.listing()));
        }
        for growth in &mut self.growths {
            growth.rescan();
        }
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.watches
            .iter()
            .filter_map(|watch| Some(watch.pending.as_ref()?.0 + watch.debounce))
            .chain(self.growths.iter().filter_map(Growth::due))
            .min()
    }

    /// Datasets whose files have settled with a content that was not seen before.
    pub(super) fn settled(&mut self, services: &Services) -> Vec<Occasion> {
        for growth in &mut self.growths {
            if growth.settled() {
                services.datasets.files_changed(growth.dataset());
            }
        }
        let mut occasions = Vec::new();
        for watch in &mut self.watches {
            let Some((since, before)) = watch.pending.take() else {
                continue;
            };
            if since.elapsed() < watch.debounce {
                watch.pending = Some((since, before));
                continue;
            }
            let now = watch.listing();
            if now != before {
                watch.pending = Some((Instant::now(), now));
                continue;
            }
            match watch.occasion(services) {
                Ok(occasion) => occasions.extend(occasion),
                Err(error) => {
                    warn!(pipeline = watch.pipeline, %error, "files cannot be looked at");
                    let text = format!("dataset {} cannot be read: {error}", watch.dataset);
                    if let Err(error) = services.core.notify("warn", text) {
                        warn!(%error, "a notice was not kept");
                    }
                }
            }
        }
        occasions
    }
}

impl Watch {
    fn listing(&self) -> Listing {
        listing(&self.patterns)
    }

    /// The first look at a new trigger takes the files that are there as known.
    fn occasion(&self, services: &Services) -> Result<Option<Occasion>> {
        let mut known = Vec::new();
        let config = services.core.config();
        for dataset in config
            .datasets
            .iter()
            .filter(|dataset| dataset.path.is_some())
        {
            let stamps = services.datasets.known(&dataset.name)?;
            known.extend(stamps.into_iter().map(|stamp| stamp.path));
        }
        let mut digest = Sha256::new();
        let mut paths = Vec::new();
        contents(
            &services.datasets.resolve(&self.dataset)?,
            &mut digest,
            &mut paths,
        );
        let digest: String = digest
            .finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let prefix = format!("file:{}:", self.pipeline);
        let key = format!("{prefix}{digest}");
        if services.pipelines.has_key(&key)? {
            return Ok(None);
        }
        let mut new: Vec<&PathBuf> = paths
            .iter()
            .filter(|path| !known.iter().any(|known| Path::new(known) == **path))
            .collect();
        if new.is_empty() {
            new = paths.iter().rev().collect();
        }
        let files = new
            .into_iter()
            .take(NAMES)
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        let cause = Cause::File {
            dataset: self.dataset.clone(),
            files,
        };
        if services
            .pipelines
            .newest(&self.pipeline, &prefix)?
            .is_none()
        {
            info!(
                pipeline = self.pipeline,
                files = paths.len(),
                "a file trigger begins"
            );
            let reason = format!("the trigger is new: {} files were there", paths.len());
            services
                .pipelines
                .skip(&self.pipeline, cause, &key, &reason)?;
            return Ok(None);
        }
        Ok(Some(Occasion {
            pipeline: self.pipeline.clone(),
            cause,
            key,
        }))
    }
}

/// Every file's path and the digests of all snapshots.
fn contents(source: &DataSource, digest: &mut Sha256, paths: &mut Vec<PathBuf>) {
    match source {
        DataSource::Files(snapshot) => {
            digest.update(snapshot.digest.as_bytes());
            paths.extend(snapshot.files.iter().map(|file| PathBuf::from(&file.path)));
        }
        DataSource::Sql { from, .. } => {
            for source in from {
                contents(source, digest, paths);
            }
        }
    }
}

/// Absolute patterns of the files behind a dataset; for SQL, of the datasets that it reads.
fn patterns(services: &Services, config: &Config, dataset: &str) -> Result<Vec<PathBuf>> {
    fn names(source: &DataSource, found: &mut Vec<String>) {
        match source {
            DataSource::Files(snapshot) => found.push(snapshot.dataset.clone()),
            DataSource::Sql { from, .. } => from.iter().for_each(|source| names(source, found)),
        }
    }
    let root = services.core.workspace.root();
    let direct = config
        .dataset(dataset)
        .and_then(|dataset| dataset.path.as_deref());
    if let Some(path) = direct {
        return Ok(vec![root.join(path)]);
    }
    let mut found = Vec::new();
    names(&services.datasets.resolve(dataset)?, &mut found);
    Ok(found
        .iter()
        .filter_map(|name| Some(root.join(config.dataset(name)?.path.as_deref()?)))
        .collect())
}

/// The folder to watch for a pattern, with those that are watched already.
fn add(folders: &mut BTreeMap<PathBuf, RecursiveMode>, pattern: &Path) {
    let (folder, mode) = base(pattern);
    folders
        .entry(folder)
        .and_modify(|there| {
            if mode == RecursiveMode::Recursive {
                *there = mode;
            }
        })
        .or_insert(mode);
}

/// The deepest folder without wildcards, and whether wildcards stand in folders below it.
fn base(pattern: &Path) -> (PathBuf, RecursiveMode) {
    let wild = |part: &std::ffi::OsStr| part.to_string_lossy().contains(['*', '?', '[']);
    let parts: Vec<_> = pattern.components().collect();
    let folders = &parts[..parts.len().saturating_sub(1)];
    let plain = folders
        .iter()
        .take_while(|part| !wild(part.as_os_str()))
        .count();
    let mode = if plain < folders.len() {
        RecursiveMode::Recursive
    } else {
        RecursiveMode::NonRecursive
    };
    (folders[..plain].iter().collect(), mode)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_watched_folder_is_the_deepest_without_wildcards() {
        let plain = base(Path::new("/w/data/*.csv"));
        assert_eq!(
            plain,
            (PathBuf::from("/w/data"), RecursiveMode::NonRecursive)
        );
        let deep = base(Path::new("/w/data/*/x.csv"));
        assert_eq!(deep, (PathBuf::from("/w/data"), RecursiveMode::Recursive));
        let one = base(Path::new("/w/data/x.csv"));
        assert_eq!(one, (PathBuf::from("/w/data"), RecursiveMode::NonRecursive));
    }

    #[test]
    fn files_settle_when_two_looks_agree_and_half_written_names_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.csv"), "x\n1\n").unwrap();
        std::fs::write(root.path().join(".b.csv"), "x\n1\n").unwrap();
        let pattern = root.path().join("*.csv");
        let watch = Watch {
            pipeline: "p".into(),
            dataset: "d".into(),
            debounce: Duration::ZERO,
            patterns: vec![glob::Pattern::new(pattern.to_str().unwrap()).unwrap()],
            pending: None,
        };
        let before = watch.listing();
        assert_eq!(before.len(), 1);
        assert_eq!(watch.listing(), before);
        std::fs::write(root.path().join("a.csv"), "x\n1\n2\n").unwrap();
        assert_ne!(watch.listing(), before);
    }
}

//! Who acts: carried from the door a request came through to the rows it writes, beside the call and not through every
//! signature between, so that no way in can forget it. A change that the daemon makes by itself has no actor.

use crate::domain::access::Actor;
use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static ACTOR: Option<Arc<Actor>>;
}

/// Who acts here and now; none: the daemon itself.
pub fn current() -> Option<Arc<Actor>> {
    ACTOR.try_with(Clone::clone).ok().flatten()
}

/// Does `work` on this thread in the name of `actor`; of nobody where there is none, whoever acted here before.
pub fn on_behalf<T>(actor: Option<Arc<Actor>>, work: impl FnOnce() -> T) -> T {
    ACTOR.sync_scope(actor, work)
}

/// Drives `future` in the name of `actor`.
pub fn carried<F: Future>(actor: Arc<Actor>, future: F) -> impl Future<Output = F::Output> {
    ACTOR.scope(Some(actor), future)
}

/// Whose change it is: the token's name where there is one, else what the caller `said`.
pub fn by(said: &str) -> String {
    match current() {
        Some(actor) => actor.by(said),
        None => said.to_owned(),
    }
}

/// The same work, to be done on another thread in the name of who acts here.
pub fn bound<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let actor = current();
    move || on_behalf(actor, work)
}

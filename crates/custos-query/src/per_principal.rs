//! What all that is done for one principal has in common, for as long as something is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use custos_core::PrincipalId;

/// One for each principal who needs it now.
#[derive(Debug)]
pub(crate) struct PerPrincipal<T>(Mutex<HashMap<PrincipalId, Weak<T>>>);

impl<T> Default for PerPrincipal<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> PerPrincipal<T> {
    /// The one of a principal, made anew if nobody holds it any more.
    pub(crate) fn get_or(&self, principal: &PrincipalId, make: impl FnOnce() -> T) -> Arc<T> {
        let mut each = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = each.get(principal).and_then(Weak::upgrade) {
            return held;
        }
        // Those of principals who need none any more.
        each.retain(|_, held| held.strong_count() > 0);
        let made = Arc::new(make());
        each.insert(principal.clone(), Arc::downgrade(&made));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_one_principal_share_it_until_the_last_is_gone() {
        let each = PerPrincipal::default();
        let (ana, bo) = ("ana".parse().unwrap(), "bo".parse().unwrap());
        let (one, other) = (each.get_or(&ana, || 1), each.get_or(&bo, || 2));
        assert!(Arc::ptr_eq(&one, &each.get_or(&ana, || 3)));
        drop((one, other));
        assert_eq!(*each.get_or(&ana, || 4), 4);
        assert_eq!(each.0.lock().unwrap().len(), 1, "nothing is kept of who needs none");
    }
}

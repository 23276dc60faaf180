use vibespro_domain::Violation;

use crate::AppError;

/// Gathers what is wrong with a request, so that all of it can be said at once.
#[derive(Default)]
pub(crate) struct Gather {
    violations: Vec<Violation>,
}

impl Gather {
    /// The value, or nothing and one more violation.
    pub(crate) fn check<T>(&mut self, checked: Result<T, Violation>) -> Option<T> {
        checked.map_err(|violation| self.violations.push(violation)).ok()
    }

    /// As [`Gather::check`], for a value that need not be there.
    pub(crate) fn check_some<T>(&mut self, checked: Option<Result<T, Violation>>) -> Option<T> {
        checked.and_then(|checked| self.check(checked))
    }

    /// The values, unless anything is wrong.
    pub(crate) fn done<T>(self, values: Option<T>) -> Result<T, AppError> {
        match values {
            Some(values) if self.violations.is_empty() => Ok(values),
            Some(_) | None => Err(AppError::Invalid(self.violations)),
        }
    }
}

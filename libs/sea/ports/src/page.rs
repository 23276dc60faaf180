use sea_domain::DomainError;

/// How many items a page holds at most: 1 to 100, by default 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit(u8);

impl PageLimit {
    /// Takes a limit.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] says what is allowed.
    pub fn new(limit: u32) -> Result<Self, DomainError> {
        match u8::try_from(limit) {
            Ok(limit @ 1..=100) => Ok(Self(limit)),
            Ok(_) | Err(_) => Err(DomainError::Invalid {
                field: "limit",
                problem: format!("1 to 100 is possible, not {limit}"),
            }),
        }
    }

    /// The limit.
    #[must_use]
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(20)
    }
}

/// Which page of a list: so many items after a position, which is the last item of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest<P> {
    /// At most so many.
    pub limit: PageLimit,
    /// After this one; `None`: from the beginning.
    pub after: Option<P>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<P>,
}

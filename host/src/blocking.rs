//! Blocking iteration over what is also a stream.

/// What has a next item that can be waited for by blocking.
///
/// [`Watch`](crate::Watch) and the class drivers' events are streams. Were they iterators too, `next`
/// would be ambiguous wherever both traits are in scope; a `for` loop iterates over them through
/// [`Blocking`] instead.
pub trait NextBlocking {
    /// What comes.
    type Item;

    /// The next item, blocking until it comes; `None` at the end.
    fn next_blocking(&mut self) -> Option<Self::Item>;
}

impl<S: NextBlocking + ?Sized> NextBlocking for &mut S {
    type Item = S::Item;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        (**self).next_blocking()
    }
}

/// Iterates by blocking until the next item comes.
#[derive(Debug)]
pub struct Blocking<S>(S);

impl<S: NextBlocking> Blocking<S> {
    /// Iterates over what comes from `source`.
    pub fn new(source: S) -> Self {
        Self(source)
    }
}

impl<S: NextBlocking> Iterator for Blocking<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_blocking()
    }
}

//! What the containers have in common: the image, the two ends of a conversation, and what pgscope says of it.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod conversation;
pub mod image;
pub mod web;

/// Why something is not as it should be.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Fails with what was expected where the two differ.
pub fn same<T: PartialEq + std::fmt::Debug>(is: &T, should: &T, what: &str) -> Result<(), Failure> {
    if is == should {
        return Ok(());
    }
    Err(format!("{what}: is {is:?}, should be {should:?}").into())
}

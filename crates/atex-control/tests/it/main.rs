//! What a control stream comes to, case by case. One target, so that it links once.

mod common;
mod duration;
mod fallback;
mod hostile;
mod limits;
mod partial;
mod properties;
mod results;
mod words;

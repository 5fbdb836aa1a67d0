//! A real browser for tests: Chromium without a window, driven as a person uses it, and what makes a page a good one.

mod browser;
mod check;
mod driver;
mod webdriver;

pub use browser::{Browser, Looks, PASSWORD};
pub use check::{accessibility, expect_no_faults, faults, too_wide, until, until_within};
pub use webdriver::{CONTROL, DOWN, ENTER, ESCAPE, Entry, Returned, SHIFT, TAB, UP, WebDriver, WebElement};

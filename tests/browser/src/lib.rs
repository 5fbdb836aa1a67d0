//! A real browser for tests: headless Chromium, driven as by a user, with checks of its pages.

mod browser;
mod check;
mod driver;
mod wait;
mod webdriver;

pub use browser::{Browser, Looks, PASSWORD};
pub use check::{accessibility, expect_no_faults, faults, too_wide};
pub use wait::{until, until_within};
pub use webdriver::{CONTROL, DOWN, ENTER, ESCAPE, Entry, SHIFT, ScriptValue, TAB, UP, WebDriver, WebElement};

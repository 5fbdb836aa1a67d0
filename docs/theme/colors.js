'use strict';

// Values that mdBook's own scripts read, and the colors of the page, before anything is drawn. The page contains no
// script of its own, so that a strict content security policy admits it.
const html = document.documentElement;
const path_to_root = html.dataset.root;
const default_light_theme = html.dataset.light;
const default_dark_theme = html.dataset.dark;
const default_theme = window.matchMedia('(prefers-color-scheme: dark)').matches
    ? default_dark_theme
    : default_light_theme;
window.path_to_searchindex_js = html.dataset.index;
window.playground_copyable = true;

(function chooseColors() {
    let theme = null;
    try {
        theme = localStorage.getItem('mdbook-theme');
    } catch {
        // Without storage, the colors are those of the system.
    }
    if (theme !== default_light_theme && theme !== default_dark_theme) {
        theme = default_theme;
    }
    html.classList.remove(default_light_theme);
    html.classList.add(theme, 'js');
})();

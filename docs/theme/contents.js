'use strict';

// The table of contents at the side: visible on a wide page, closed on a narrow one.
(function contents() {
    const box = document.getElementById('mdbook-sidebar-toggle-anchor');
    const side = document.getElementById('mdbook-sidebar');
    const wide = document.body.clientWidth >= 1080;
    let kept = null;
    try {
        kept = wide ? localStorage.getItem('mdbook-sidebar') : 'hidden';
    } catch {
        // Without storage, a wide page shows the contents.
    }
    box.checked = wide && kept !== 'hidden';
    document.documentElement.classList.toggle('sidebar-visible', box.checked);

    document.addEventListener('DOMContentLoaded', function() {
        const button = document.getElementById('mdbook-sidebar-toggle');
        const show = function() {
            button.setAttribute('aria-expanded', box.checked);
            side.setAttribute('aria-hidden', !box.checked);
            side.querySelectorAll('a').forEach(function(link) {
                link.tabIndex = box.checked ? 0 : -1;
            });
        };
        show();
        button.addEventListener('click', function() {
            box.click();
        });
        // A prompt is drawn, so that copies of a command do not contain it.
        document.querySelectorAll('.language-console .hljs-meta').forEach(function(prompt) {
            prompt.dataset.prompt = prompt.textContent;
            prompt.textContent = '';
        });
        // Blocks and tables that are wider than the page scroll, so the keyboard must reach them. A page may be resized.
        const widths = new ResizeObserver(function(entries) {
            entries.forEach(function(entry) {
                const block = entry.target;
                if (block.scrollWidth > block.clientWidth) {
                    block.tabIndex = 0;
                } else {
                    block.removeAttribute('tabindex');
                }
            });
        });
        document.querySelectorAll('pre > code, .table-wrapper').forEach(function(block) {
            widths.observe(block);
        });
        if (document.documentElement.dataset.print === 'true') {
            window.addEventListener('load', function() {
                window.setTimeout(window.print, 100);
            });
        }
    });
})();

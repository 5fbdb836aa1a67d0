// Reads a chosen file into the field beside it, on the page of settings. Without scripts, the text is pasted.
"use strict";
for (const chooser of document.querySelectorAll("input[data-into]")) {
  const field = document.getElementById(chooser.dataset.into);
  chooser.hidden = false;
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    if (file) {
      field.value = await file.text();
    }
    // The name of the file is not sent, and the same file can be chosen again.
    chooser.value = "";
  });
}

// Small comforts. Everything works without this file.
"use strict";

(() => {
  const texts = document.documentElement.dataset;

  function addCopyButtons(root) {
    if (!navigator.clipboard) return;
    for (const command of root.querySelectorAll(".command:not([data-ready])")) {
      command.dataset.ready = "";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = texts.copy;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command.querySelector("code").textContent.trim());
        button.textContent = texts.copied;
        setTimeout(() => { button.textContent = texts.copy; }, 1500);
      });
      command.append(button);
    }
  }

  function closeMenus(event) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (event.type === "keydown" ? event.key === "Escape" : !menu.contains(event.target)) {
        menu.open = false;
        if (event.type === "keydown") menu.querySelector("summary").focus();
      }
    }
  }

  addCopyButtons(document);
  document.addEventListener("click", closeMenus);
  document.addEventListener("keydown", closeMenus);
  document.addEventListener("htmx:afterSwap", (event) => addCopyButtons(event.target));
})();

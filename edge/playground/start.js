// Before the script of the page, so that it can say that that one does not run.

addEventListener("error", ({ message }) => {
  const decision = document.getElementById("decision");
  if (decision.dataset.shown) return;
  const needed = "It needs a browser of 2023 or later, with WebAssembly.";
  decision.textContent = `This page could not start (${message}). ${needed}`;
});

// Not a module itself, so that it can tell that the modules do not come: from a file, in an old browser, without WebAssembly.

import("./app.js").catch((error) => {
  document.getElementById("decision").textContent =
    `This page could not start (${error.message}). It needs a browser with JavaScript modules and WebAssembly, and a web server that gives it its files: ./build.sh playground is one.`;
});

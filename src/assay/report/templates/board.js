"use strict";
// Search and filter. Without scripts the board shows every paper.
(() => {
  const byId = (id) => document.getElementById(id);
  const papers = [...document.querySelectorAll(".paper")].map((node) => ({
    node, family: node.closest(".family"), text: `${node.id} ${node.textContent}`.toLowerCase(), states: node.dataset.state.split(" "),
  }));
  function refresh() {
    const tokens = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const family = byId("family").value, state = byId("state").value;
    const alive = new Set();
    let count = 0;
    for (const paper of papers) {
      const shown = (!family || paper.family.dataset.family === family) && (!state || paper.states.includes(state)) && tokens.every((token) => paper.text.includes(token));
      paper.node.hidden = !shown;
      if (shown) { alive.add(paper.family); count += 1; }
    }
    for (const section of document.querySelectorAll(".family")) section.hidden = !alive.has(section);
    byId("none").hidden = count > 0;
    byId("where").textContent = `${count} of ${papers.length} papers shown`;
  }
  byId("controls").hidden = false;
  for (const id of ["find", "family", "state"]) byId(id).addEventListener("input", refresh);
  refresh();
})();

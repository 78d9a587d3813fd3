"use strict";

/** Says what went wrong where everybody sees it. */
function trouble(error) {
  const place = document.getElementById("trouble");
  place.hidden = false;
  place.textContent = `Something went wrong: ${error.message ?? error}. Reload the page to begin again.`;
}

addEventListener("error", ({ error, message }) => trouble(error ?? message));
addEventListener("unhandledrejection", ({ reason }) => trouble(reason));

/** The tabs, as the arrow keys and screen readers expect them. */
function tabs(parts) {
  const list = document.getElementById("tabs");
  const made = parts.map(([id, name]) => {
    const tab = button(name, () => open(id), { role: "tab", id: `tab-${id}`, "aria-controls": id });
    tab.addEventListener("keydown", ({ key }) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (!by) return;
      const [next] = parts[(parts.findIndex(([other]) => other === id) + by + parts.length) % parts.length];
      open(next);
      document.getElementById(`tab-${next}`).focus();
    });
    return tab;
  });
  function open(id) {
    for (const [other, , part] of parts) {
      const chosen = other === id;
      const tab = document.getElementById(`tab-${other}`);
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(other).hidden = !chosen;
      if (!chosen) (part.stop ?? part.pause).call(part);
    }
  }
  list.append(...made);
  open(parts[0][0]);
}

async function start() {
  const text = (id) => document.getElementById(id).textContent;
  const module = await WebAssembly.compile(await unpacked(text("engine")));
  const engine = await Engine.start(module);
  const parts = [];
  const looks = [];
  for (const { weights, planes, rounded } of JSON.parse(text("networks"))) {
    const network = looks.length + parts.length;
    const facts = engine.ask({ ask: "open", glimpses: 12 }, await unpacked(weights, planes));
    facts.rounded = rounded;
    if (facts.game === null) looks.push([network, facts]);
    else parts.push(["catch", "Catch", new Catch(document.getElementById("catch"), engine, network, facts)]);
  }
  if (looks.length > 0) parts.unshift(["look", "Look", lookers(looks, engine)]);
  parts.push(["learn", "Learn", new Learn(document.getElementById("learn"), module)]);
  document.getElementById("opening").remove();
  tabs(parts);
  window.engine = engine;
  document.body.dataset.ready = "true";
}

/** The part with images; with several networks there is a choice. */
function lookers(looks, engine) {
  const root = document.getElementById("look");
  const shown = { look: null, stop: () => shown.look.stop() };
  const place = el("div");
  const open = (i) => {
    shown.look?.stop();
    place.replaceChildren();
    shown.look = new Look(place, engine, ...looks[i]);
  };
  if (looks.length > 1) {
    const choice = el("select", { id: "look-network" }, ...looks.map(([, { name }], i) => el("option", { value: i }, name)));
    choice.addEventListener("change", () => open(Number(choice.value)));
    root.append(el("label", { class: "field" }, el("span", {}, "Network"), choice));
  }
  root.append(place);
  open(0);
  return shown;
}

start().catch(trouble);

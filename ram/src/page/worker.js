// The lesson's thread: it answers each question in turn.
let engine = null;
onmessage = async ({ data: { module, number, question } }) => {
  try {
    if (module) engine = await Engine.start(module);
    else postMessage({ number, answer: engine.ask(question) });
  } catch (error) {
    postMessage({ number, trouble: error.message });
  }
};

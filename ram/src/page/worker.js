// The lesson's thread: it answers each question in turn. The first message brings the module.
let engine = null;
onmessage = async ({ data: { module, number, question } }) => {
  if (module) {
    engine = Engine.start(module);
    return;
  }
  try {
    postMessage({ number, answer: (await engine).ask(question) });
  } catch (error) {
    postMessage({ number, trouble: error.message });
  }
};

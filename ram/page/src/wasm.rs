//! The door of the module: the page writes a question into memory, calls [`ask`], and reads the answer from memory.

use std::cell::RefCell;

use crate::session::Session;

#[derive(Default)]
struct Door {
    session: Session,
    question: Vec<u8>,
    answer: String,
}

thread_local! {
    static DOOR: RefCell<Door> = RefCell::default();
}

/// Room for a question of `len` bytes: where the page is to write it.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn room(len: usize) -> *mut u8 {
    DOOR.with_borrow_mut(|door| {
        door.question.clear();
        door.question.resize(len, 0);
        door.question.as_mut_ptr()
    })
}

/// Answers the question that was written into the room: `len` bytes of JSON, then the bytes that come with it. Returns where the
/// answer lies, which stays until the next question.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn ask(len: usize) -> *const u8 {
    DOOR.with_borrow_mut(|door| {
        let Door { session, question, answer } = door;
        let (request, bytes) = question.split_at(len.min(question.len()));
        *answer = session.ask(&String::from_utf8_lossy(request), bytes);
        answer.as_ptr()
    })
}

/// The length of the answer in bytes.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn answered() -> usize {
    DOOR.with_borrow(|door| door.answer.len())
}

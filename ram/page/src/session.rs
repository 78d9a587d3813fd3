//! What the page has open, and the answers to its questions.

use std::path::Path;

use datasets::digits::generate;
use datasets::{Picture, Split, handwriting};
use ram::RamError;
use ram::zoo::Pretrained;
use serde_json::{Value, json};

use crate::lesson::Lesson;
use crate::player::Player;
use crate::request::Request;

/// The networks of the page and its lesson.
#[derive(Default)]
pub struct Session {
    players: Vec<Player>,
    lesson: Option<Lesson>,
}

impl Session {
    /// Answers a question in JSON. What cannot be done is answered by `{"error": "…"}`.
    pub fn ask(&mut self, request: &str, bytes: &[u8]) -> String {
        let answer = serde_json::from_str(request)
            .map_err(|error| RamError::Config(format!("the page's question {request:?}: {error}")))
            .and_then(|request| self.answer(request, bytes));
        answer.unwrap_or_else(|error| json!({ "error": error.to_string() })).to_string()
    }

    fn answer(&mut self, request: Request, bytes: &[u8]) -> Result<Value, RamError> {
        match request {
            Request::Open { glimpses } => {
                let player = Player::open(&Pretrained::decode(Path::new("the network"), bytes)?, glimpses)?;
                let facts = player.facts();
                self.players.push(player);
                Ok(facts)
            }
            Request::Digits { seed, count } => {
                let digits = generate(seed, Split::Test, count);
                Ok(json!({ "pixels": digits.images.pixels(), "labels": digits.labels }))
            }
            Request::Character { width, height } => {
                if width * height != bytes.len() {
                    return Err(RamError::Config(format!("{width}×{height} pixels in {} bytes", bytes.len())));
                }
                let picture = Picture { channels: 1, height, width, pixels: bytes.to_vec(), alpha: None };
                let character = handwriting::like_mnist(&picture, false);
                Ok(json!({ "pixels": character.map(|character| character.image.pixels) }))
            }
            Request::Begin { network, number } => self.player(network)?.begin(number),
            Request::Glance { network, at } => self.player(network)?.glance(bytes, at),
            Request::Play { network, number } => self.player(network)?.play(number),
            Request::Move { network, action, covered } => self.player(network)?.make_move(action, covered),
            Request::Train { sets } => {
                let lesson = self.lesson.insert(Lesson::new(&sets)?);
                Ok(lesson.facts())
            }
            Request::Update { steps, learning_rate, std } => self.lesson()?.update(steps, learning_rate, std),
            Request::Change { set } => self.lesson()?.change(&set),
            Request::Examine { shown } => self.lesson()?.examine(shown),
            Request::Gradients { draws, std } => self.lesson()?.gradients(draws, std),
        }
    }

    fn player(&mut self, network: usize) -> Result<&mut Player, RamError> {
        let open = self.players.len();
        let missing = || RamError::Config(format!("there is no network {network}; {open} are open"));
        self.players.get_mut(network).ok_or_else(missing)
    }

    fn lesson(&mut self) -> Result<&mut Lesson, RamError> {
        self.lesson.as_mut().ok_or_else(|| RamError::Config("no training has begun".to_owned()))
    }
}

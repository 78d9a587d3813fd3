//! Answers to one image at a time: how long they take, by the edge of the image.

use std::hint::black_box;

use autograd::{Params, Tape};
use datasets::Layout;
use datasets::rng::{Key, Purpose};
use rand::Rng;

use crate::config::{Base, Config};
use crate::error::RamError;
use crate::model::{Decisions, DrawKey, Mode, ModelKind};
use crate::network::Network;
use crate::tasks::{self, Inputs, Pictures, Recorder};

/// The edges of images that are compared, in pixels.
pub const EDGES: [usize; 10] = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384];

/// The networks that are compared, with their names and the largest of the [`EDGES`] at which the network still has less than a
/// hundred million parameters.
pub const ANSWERING: [(ModelKind, &str, usize); 3] = [
    (ModelKind::Ram, "RAM, 8 glimpses of 12x12x4", 16_384),
    (ModelKind::Conv, "convolution, 8 filters, 256 hiddens", 1024),
    (ModelKind::Fc, "FC, 256 and 256 hiddens", 512),
];

/// A network that answers what an image shows, again and again.
pub struct Answer {
    network: Network,
    params: Params<f32>,
    recorder: Box<dyn Recorder>,
    tape: Tape<f32>,
    pixels: Vec<u8>,
    layout: Layout,
    turn: u32,
}

impl Answer {
    /// A network of this kind with its first weights, for an image of `edge` × `edge` random pixels.
    ///
    /// # Errors
    /// The built-in configuration does not allow this edge; a user cannot cause this.
    pub fn new(kind: ModelKind, edge: usize) -> Result<Answer, RamError> {
        let sets = [
            "data.source=\"digits\"".to_owned(),
            format!("data.size={edge}"),
            format!("model.kind={:?}", kind.name()),
            "loss.baseline=\"learned\"".to_owned(),
            "loss.returns=\"episode\"".to_owned(),
            "train.samples=1".to_owned(),
        ];
        let config = Config::load(Base::Preset("cluttered-100"), &sets)?;
        let mut params = Params::new();
        let network = Network::new(&mut params, &config, [1, 10], Decisions::Last);
        let layout = Layout::of([1, edge, edge]);
        let mut pixels = vec![0; layout.len()];
        Key { seed: 1, purpose: Purpose::Shape, epoch: 0, sample: 0 }.stream().fill_bytes(&mut pixels);
        let recorder = tasks::named(&config)?.recorder(&config);
        Ok(Answer { network, params, recorder, tape: Tape::new(), pixels, layout, turn: 0 })
    }

    /// Answers once. Each time the first glimpse falls at another place, so that no cache holds what a large image shows there.
    pub fn run(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        let key = DrawKey { mode: Mode::Best, seed: 1, epoch: 0, samples: &[self.turn], copies: 1 };
        let pictures = Pictures::new(&self.pixels, self.layout, None, [1, 1]);
        let t = self.tape.begin(&self.params);
        let observed = self.recorder.observe(&t, &self.network, &Inputs { key, pictures, labels: &[0] });
        black_box(observed.logits.value()[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_answers_at_its_smallest_edges() {
        for (kind, name, widest) in ANSWERING {
            assert!(EDGES.contains(&widest), "{name}");
            for edge in [32, 64] {
                Answer::new(kind, edge).unwrap().run();
            }
        }
    }
}

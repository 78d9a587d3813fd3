//! The range of every key of `[data]`, and what must fit together with it.

use datasets::canvas::{MAX_CLUTTER, MAX_SIDE};

use super::Faults;
use crate::config::{Canvas, Config, Data, FRAMES, LossKind, Source};
use crate::environments::Game;
use crate::model::{MAX_GLIMPSES, Model, ModelKind};

impl Config {
    /// `[data]`
    pub(super) fn validate_data(&self, faults: &mut Faults) {
        let Config { data, model, .. } = self;
        match (data.source, data.canvas) {
            (Source::Game(game), _) => self.validate_game(game, faults),
            (Source::Own, _) => faults.within("data.size", data.size, 1, MAX_SIDE),
            (Source::Folder | Source::Idx | Source::Frames, Canvas::Centred) => {
                faults.within("data.size", data.size, 4, MAX_SIDE)
            }
            (Source::Folder | Source::Idx | Source::Frames, _) => {
                faults.within("data.size", data.size, 8, MAX_SIDE);
                faults.within("data.image", data.image, 8, data.size.clamp(8, MAX_SIDE));
            }
            // Room for a digit that is larger than it was.
            (_, Canvas::Centred) if data.scale != [1.0; 2] => faults.within("data.size", data.size, 28, MAX_SIDE),
            (_, Canvas::Centred) => faults.unless(
                data.size == 28,
                "data.size",
                data.size,
                "28 on a centred canvas (for another size set data.canvas=translated)",
            ),
            _ => faults.within("data.size", data.size, 28, MAX_SIDE),
        }
        match data.canvas {
            Canvas::Cluttered => faults.within("data.clutter", data.clutter, 1, MAX_CLUTTER),
            Canvas::Moving => faults.within("data.clutter", data.clutter, 0, MAX_CLUTTER),
            Canvas::Centred | Canvas::Translated => faults.unless(
                data.clutter == 0,
                "data.clutter",
                data.clutter,
                "0, since there are pieces only with data.canvas=cluttered or data.canvas=moving",
            ),
        }
        scale(data, faults);
        clips(data, model, faults);
        own_pictures(data, faults);
        // These see the whole image, so that their sizes follow from it.
        match model.kind {
            ModelKind::Ram => {}
            ModelKind::Fc => faults.within("data.size", data.size, 1, 1024),
            ModelKind::Conv => faults.within("data.size", data.size, 10, 1024),
            ModelKind::Cnn => faults.within("data.size", data.size, 8, 1024),
        }
        let limits = match data.source {
            Source::Mnist | Source::FashionMnist => data.source.counts(),
            _ => [10_000_000; 3],
        };
        let counts = [("data.train", data.train), ("data.validation", data.validation), ("data.test", data.test)];
        for ((key, count), limit) in counts.into_iter().zip(limits) {
            faults.within(key, count, 0, limit);
        }
    }

    /// What a game asks of the other keys.
    fn validate_game(&self, game: &Game, faults: &mut Faults) {
        let Config { data, model, loss, .. } = self;
        let with = format!("with data.source={}", game.name);
        faults.unless(
            data.canvas == Canvas::Centred,
            "data.canvas",
            format!("{:?}", data.canvas).to_lowercase(),
            &format!("centred {with}, which has screens and no canvas"),
        );
        faults.unless(
            !data.train_on_validation,
            "data.train_on_validation",
            true,
            &format!("false {with}, whose games are drawn and never run out"),
        );
        faults.within("data.size", data.size, 4, 1024);
        match (game.open)(data.size).map(|game| game.frames()) {
            Err(error) => faults.add("data.size", error.to_string()),
            Ok(frames) if frames > MAX_GLIMPSES => faults.unless(
                false,
                "data.size",
                data.size,
                &format!(
                    "smaller {with}: this makes a game of {frames} moves, and at most {MAX_GLIMPSES} are possible"
                ),
            ),
            Ok(frames) => faults.unless(
                model.glimpses == frames,
                "model.glimpses",
                model.glimpses,
                &format!("{frames} {with}, the number of moves in a game"),
            ),
        }
        faults.unless(model.kind == ModelKind::Ram, "model.kind", model.kind.name(), &format!("ram {with}"));
        faults.unless(
            loss.kind == LossKind::Reinforce,
            "loss.kind",
            format!("{:?}", loss.kind).to_lowercase(),
            &format!("reinforce {with}: there is a reward and no label"),
        );
    }
}

/// The factors by which images are resized, and whether the largest image fits on its canvas.
fn scale(data: &Data, faults: &mut Faults) {
    let [low, high] = data.scale;
    let found = format!("[{low}, {high}]");
    if data.source.game().is_some() {
        let expected = format!("[1, 1] with data.source={}, which has screens and no images", data.source.name());
        return faults.unless(data.scale == [1.0; 2], "data.scale", found, &expected);
    }
    if data.scale().validate().is_err() {
        let expected = "two factors [low, high] from 0.125 to 64, where low is at most high; [1, 1] is off";
        return faults.unless(false, "data.scale", found, expected);
    }
    // The size of images of one's own source is only known when they are read.
    let edge = data.image_edge();
    let [largest, _] = data.scale().largest([edge; 2]);
    if data.canvas == Canvas::Moving && largest == data.size && data.source != Source::Own {
        let expected = format!("above {largest}, the edge of the largest image, which needs room to move; 60 is usual");
        faults.unless(false, "data.size", data.size, &expected);
    }
    faults.unless(
        high <= 1.0 || largest <= data.size || data.source == Source::Own,
        "data.scale",
        found,
        &format!(
            "so small that an image of {edge}×{edge} pixels fits on the canvas at the factor {high}: it is {largest}×{largest} then, \
             and data.size is {}; make data.size larger or the factor smaller",
            data.size
        ),
    );
}

/// What is said of clips, and only of them.
fn clips(data: &Data, model: &Model, faults: &mut Faults) {
    if data.source.game().is_none() && (data.canvas == Canvas::Moving || data.source == Source::Frames) {
        faults.within("data.frames", data.frames, 2, MAX_GLIMPSES);
        let (frames, kind) = (data.frames, model.kind.name());
        faults.unless(model.kind == ModelKind::Ram, "model.kind", kind, "ram for clips, which the others cannot see");
        faults.unless(
            model.kind != ModelKind::Ram || model.glimpses == frames,
            "model.glimpses",
            model.glimpses,
            &format!("{frames}, which is data.frames: a clip has a frame for each glimpse"),
        );
    } else {
        let expected = format!("{FRAMES}, its default, but with data.canvas=moving or data.source=frames");
        faults.unless(data.frames == FRAMES, "data.frames", data.frames, &expected);
    }
    faults.unless(
        data.source != Source::Frames || data.canvas == Canvas::Centred,
        "data.canvas",
        format!("{:?}", data.canvas).to_lowercase(),
        "centred with data.source=frames, whose clips fill the canvas and move by themselves",
    );
}

/// What is said of pictures of one's own, and only of them.
fn own_pictures(data: &Data, faults: &mut Faults) {
    let source = data.source;
    faults.unless([1, 3].contains(&data.channels), "data.channels", data.channels, "1 (grey) or 3 (colour)");
    faults.unless(
        data.split_seed <= i64::MAX as u64,
        "data.split_seed",
        data.split_seed,
        "at most 9223372036854775807",
    );
    if source.is_user_pictures() {
        faults.unless(
            !data.path.is_empty(),
            "data.path",
            "empty",
            "the folder of class folders (--data folder:PATH or frames:PATH), or with data.source=idx the file of the images",
        );
    } else {
        faults.unless(
            data.channels != 3 || source == Source::Own,
            "data.channels",
            3,
            "1, since these images are grey",
        );
        let only = "with data.source=folder, idx or frames alone";
        faults.unless(
            data.path.is_empty(),
            "data.path",
            format!("{:?}", data.path),
            &format!("empty; it is given {only}"),
        );
        faults.unless(!data.invert, "data.invert", true, &format!("false; pictures are inverted {only}"));
    }
    let wanted = source == Source::Idx;
    let expected =
        if wanted { "the file of the labels (--data idx:IMAGES,LABELS)" } else { "empty but with data.source=idx" };
    faults.unless(data.labels.is_empty() != wanted, "data.labels", format!("{:?}", data.labels), expected);
}

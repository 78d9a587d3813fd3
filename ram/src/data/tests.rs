use datasets::{Batch, Images};

use super::*;
use crate::model::Model;

/// In each split ten images of one level, and one image that cannot be read.
struct Own {
    names: [[&'static str; 2]; 2],
}

impl Own {
    fn split(&self, level: u8, names: [&str; 2]) -> Result<ReadSplit, DataError> {
        let images = Images::new(vec![level; 10 * 9 * 9], 1, 9, 9)?;
        let labels = (0..10).map(|i| i % 2).collect();
        let unreadable = vec![DataError::from(Box::from(format!("image {level} is torn")))];
        Ok(ReadSplit { unreadable, ..ReadSplit::new(Labelled::new(images, labels, 2)?, names)? })
    }
}

impl Source for Own {
    fn train_validation(&self) -> Result<Splits, DataError> {
        let [train, validation] = self.names;
        Ok(Splits { train: self.split(1, train)?, validation: self.split(2, validation)? })
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        self.split(3, self.names[0])
    }
}

#[test]
fn a_source_of_ones_own_is_opened() {
    let load = |sets: &[&str]| {
        let sets: Vec<String> = ["data.size=30"].iter().chain(sets).map(|&set| set.to_owned()).collect();
        Config::load(config::Base::Preset("translated"), &sets).unwrap()
    };
    let names = ["odd", "even"];
    let own = Own { names: [names; 2] };
    let config = load(&["data.train=4", "data.test=10"]);
    let data = TrainingData::of(&config, &own).unwrap();
    assert_eq!([data.train.len(), data.validation.len()], [4, 10], "0 takes all");
    assert_eq!(
        (data.train.labels.as_slice(), data.classes.as_slice()),
        ([0, 1, 0, 1].as_slice(), names.map(String::from).as_slice())
    );
    assert_eq!(
        (data.validation.layout().height, data.validation.view(0..10, &mut Batch::default()).0.iter().max()),
        (30, Some(&2))
    );
    let said = ["image 1 is torn", "1 training picture cannot", "image 2 is torn", "1 validation picture cannot"];
    assert!(
        data.notes.len() == 4 && data.notes.iter().zip(said).all(|(note, said)| note.starts_with(said)),
        "{:?}",
        data.notes
    );
    let test = TestData::of(&config, &own).unwrap();
    assert_eq!(
        (test.classes, test.test.view(0..10, &mut Batch::default()).0.iter().max()),
        (names.map(String::from).to_vec(), Some(&3))
    );
    assert!(test.notes.len() == 2 && test.notes[0] == "image 3 is torn", "{:?}", test.notes);

    let whole =
        TrainingData::of(&load(&["data.train=4", "data.validation=3", "data.train_on_validation=true"]), &own).unwrap();
    assert_eq!([whole.train.len(), whole.validation.len()], [7, 3]);
    assert_eq!(whole.train.labels, [0, 1, 0, 1, 0, 1, 0]);
    assert_eq!([3, 4].map(|image| whole.train.images.image(image)[0]), [1, 2], "those of the validation are the last");
    let note = whole.notes.last().unwrap();
    assert!(note.starts_with("data.train_on_validation: the 3 validation images are trained on too"), "{note}");

    let refused = |sets: &[&str], own: &Own| TrainingData::of(&load(sets), own).err().unwrap().to_string();
    assert!(
        refused(&["data.validation=11"], &own).contains("data.validation is 11, but this split has only 10 images")
    );
    assert!(refused(&["data.strict=true"], &own).contains("image 1 is torn"));
    assert!(refused(&[], &Own { names: [names, ["even", "odd"]] }).contains("the classes even, odd"));
}

#[test]
fn a_fault_of_the_program_is_no_fault_of_the_data() {
    assert_eq!(RamError::from(DataError::Worker("gone".into())).exit_code(), 1);
    assert_eq!(RamError::from(DataError::NoFolder { set: Published::Mnist }).exit_code(), 3);
}
/// A colour picture, as a network is shown it and as its retina sees it: every number of ρ is that pixel's byte, red, then
/// green, then blue.
#[test]
fn a_colours_pixels_reach_the_retina_unchanged() {
    use autograd::{Params, Shape, Tape};

    use crate::model::{self, Retina, retina::Sampling};

    let sets = ["data.source=folder", "data.path=x", "data.channels=3", "data.size=12"].map(str::to_owned);
    let config = Config::load(config::Base::Preset("mnist"), &sets).unwrap();
    let pixels: Vec<u8> = (0..3 * 144_u32).map(|i| (i * 37 % 251) as u8).collect();
    let picture = Picture { channels: 3, height: 12, width: 12, pixels: pixels.clone(), alpha: None };
    let (canvas, _) = canvas_of(&config, &picture, false);
    assert_eq!(canvas, pixels);

    let (params, mut tape) = (Params::<f32>::new(), Tape::new());
    let t = tape.begin(&params);
    let images = model::Images::Pixels { data: &canvas, shape: Shape::new(&[1, 3, 12, 12]) };
    let rho = Retina::new(4, 1, Sampling::Crop).sense(&t, images, t.constant([1, 2], &[0.5, -0.5]));
    // Around (9, 3): columns 7 to 10, rows 1 to 4.
    let seen = (0..3).flat_map(|c| (1..5).flat_map(move |y| (7..11).map(move |x| c * 144 + y * 12 + x)));
    let expected: Vec<f32> = seen.map(|i| f32::from(pixels[i]) / 255.0).collect();
    assert!(rho.value().iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", &*rho.value());
    assert_eq!(rho.value().len(), expected.len());
}

#[test]
fn a_picture_of_another_size_lies_where_training_had_it() {
    let load = |sets: &[&str]| {
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        Config::load(config::Base::Preset("translated"), &sets).unwrap()
    };
    let white =
        |edge: usize| Picture { channels: 1, height: edge, width: edge, pixels: vec![255; edge * edge], alpha: None };
    let lit = |config: &Config, edge| canvas_of(config, &white(edge), false).0.iter().filter(|&&x| x == 255).count();
    let digits = load(&["data.source=digits"]);
    assert_eq!([lit(&digits, 60), lit(&digits, 100), lit(&digits, 28)], [3600, 784, 784]);
    let own = load(&["data.source=folder", "data.path=x", "data.image=20"]);
    assert_eq!(lit(&own, 50), 400);
    assert!(canvas_of(&own, &white(60), true).0.iter().all(|&x| x == 0), "inverted");
}

/// Moving canvases: batches to train on, clips to validate and test on, all of them from their keys.
#[test]
fn moving_canvases_are_clips_that_are_drawn_when_asked_for() {
    let sets = [
        "data.source=digits",
        "data.canvas=moving",
        "data.size=40",
        "data.frames=3",
        "data.clutter=2",
        "model.glimpses=3",
    ];
    let counts = ["data.train=20", "data.validation=10", "data.test=5", "data.scale=[0.5, 1.25]", "train.batch=8"];
    let sets: Vec<_> = sets.into_iter().chain(counts).map(str::to_owned).collect();
    let config = Config::load(config::Base::Preset("mnist"), &sets).unwrap();
    let data = TrainingData::open(&config, None).unwrap();
    assert_eq!((data.validation.len(), data.validation.frames(), data.canvas.frames), (10, 3, 3));
    let mut loader = data.loader(&config).unwrap();
    let batch = loader.epoch(0, 0).next().unwrap().unwrap();
    assert_eq!((batch.frames, batch.len(), batch.frame(2).len(), batch.boxes.len()), (3, 8, 8 * 40 * 40, 24));

    let test = TestData::open(&config, None).unwrap().test;
    let Canvases::Drawn(drawn) = &test else { panic!("clips are not held") };
    assert_eq!((drawn.canvas(), drawn.source().len()), (&data.canvas, 5));
    let (mut buffer, mut other) = (Batch::default(), Batch::default());
    let (pixels, boxes) = test.view(0..5, &mut buffer);
    assert_eq!((pixels.len(), boxes.len()), (3 * 5 * 1600, 15));
    assert_eq!(&test.view(4..5, &mut other).0[1600..3200], &pixels[(5 + 4) * 1600..][..1600], "frame 1 of clip 4");
    check_frames(&config, 3).unwrap();
    check_frames(&config, 1).unwrap();
    let error = check_frames(&config, 4).unwrap_err().to_string();
    assert!(error.contains("clips of 4 frames") && error.contains("they are ram and 3"), "{error}");
    let fc = Config { model: Model { kind: ModelKind::Fc, ..config.model.clone() }, ..config.clone() };
    assert!(check_frames(&fc, 3).is_err() && check_frames(&fc, 1).is_ok());
}

/// Writes a grey picture of one level.
#[cfg(feature = "figures")]
fn plain(path: &Path, level: u8) {
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), 5, 5);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[level; 25]).unwrap();
}

#[cfg(feature = "figures")]
#[test]
fn clips_of_ones_own_fill_their_canvases() {
    let place = tempfile::tempdir().unwrap();
    for (class, clip, frame) in (0..2 * 30 * 3).map(|i| (i / 90, i / 3 % 30, i % 3)) {
        let folder = place.path().join(format!("class{class}/clip{clip}"));
        std::fs::create_dir_all(&folder).unwrap();
        plain(&folder.join(format!("{frame}.png")), (class * 90 + frame) as u8);
    }
    let path = format!("data.path={:?}", place.path().to_str().unwrap());
    let sets = ["data.source=frames", &path, "data.size=8", "data.frames=2", "model.glimpses=2"].map(str::to_owned);
    let config = Config::load(config::Base::Preset("mnist"), &sets).unwrap();
    let data = TrainingData::open(&config, None).unwrap();
    assert_eq!((data.classes.len(), data.validation.frames(), name(&config).starts_with("clips in ")), (2, 2, true));
    let longer = "have more than 2 frames, of which the first 2 are used";
    assert!(data.notes.len() == 2 && data.notes.iter().all(|note| note.contains(longer)), "{:?}", data.notes);
    let mut buffer = Batch::default();
    let label = data.validation.labels()[0];
    let (pixels, _) = data.validation.view(0..1, &mut buffer);
    assert_eq!([pixels[0], pixels[64]], [90 * label, 90 * label + 1], "two frames of one level each");
    let files = fingerprint::Fingerprint::of(&config, None).unwrap().unwrap().files;
    assert!(files.len() == 180 && files.contains_key("class1/clip29/2.png"));
}

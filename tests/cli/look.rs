//! `ram look` and `ram data show` from outside: what they write, what they say, and every wrong input.

use std::fs;

use serde_json::Value;

use crate::place::Place;

/// A configuration that trains in a moment, on built-in digits.
const TINY: &str = r#"
[data]
source = "digits"
canvas = "cluttered"
size = 40
clutter = 2
train = 200
validation = 50
test = 50
[model]
glimpses = 3
scales = 2
features = 16
glimpse_features = 16
hidden = 16
[train]
epochs = 2
batch = 64
"#;

/// A place with `tiny.toml` and the trained run `runs/a`.
fn trained() -> Place {
    let place = Place::with_files(&[("tiny.toml", TINY)]);
    place.ram("train --config tiny.toml --name a").succeeds();
    place
}

impl Place {
    /// Writes a picture of one grey level but for a block in the middle.
    fn photo(&self, name: &str, [width, height]: [u32; 2], around: u8, middle: u8) {
        let inside = |at: u32, length: u32| (length / 3..2 * length / 3).contains(&at);
        let level = |at: u32| if inside(at % width, width) && inside(at / width, height) { middle } else { around };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let pixels: Vec<u8> = (0..width * height).flat_map(|at| [level(at); 3]).collect();
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }
}

/// The size of a PNG file, which is decoded to its end.
fn size(bytes: &[u8]) -> [u32; 2] {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    [info.width, info.height]
}

#[test]
fn a_run_is_drawn() {
    let place = trained();
    let look = place.ram("look a");
    for part in ["a: RAM, 3 glimpses, 8×8, 2 scales", "2 pieces", "% of 50 images wrong", "look.png"] {
        assert!(look.succeeds().contains(part), "{part} in {}", look.out);
    }
    let eight = size(&place.bytes("look.png"));
    place.ram("look runs/a --rows 16 --out 16.png").succeeds();
    let sixteen = size(&place.bytes("16.png"));
    assert!(sixteen[0] == eight[0] && sixteen[1] > 18 * eight[1] / 10, "{eight:?} {sixteen:?}");
    place.ram("look a --out again.PNG").succeeds();
    assert!(place.bytes("again.PNG") == place.bytes("look.png"), "the same picture again");

    place.ram("look a --out look.svg --gif look.gif --rows 2").succeeds();
    let svg = String::from_utf8(place.bytes("look.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<image ").count(), 2 * (1 + 3));
    let gif = place.bytes("look.gif");
    assert!(gif.starts_with(b"GIF89a") && gif.len() < 300_000, "{}", gif.len());

    fs::remove_file(place.path("look.png")).unwrap();
    place.ram("look a --gif alone.gif --split validation --which last").succeeds();
    assert!(place.path("alone.gif").exists() && !place.path("look.png").exists());
}

#[test]
fn what_is_drawn_is_what_evaluation_counts() {
    let place = trained();
    for split in ["validation", "test"] {
        let error = place.ram(&format!("eval a --split {split} --json")).json()["error"].as_f64().unwrap();
        let all = place.ram(&format!("look a --split {split} --rows 50 --json")).json();
        let rows = all["rows"].as_array().unwrap();
        let wrong = rows.iter().filter(|row| row["right"] == false).count();
        assert_eq!((rows.len(), wrong as f64 / 50.0, &all["error"]), (50, error, &error.into()));
        assert!(wrong > 0 && wrong < 50, "a test that could not fail");

        // Wrong ones and those of a class are parts of it, in order.
        let part = |option: &str, is: &dyn Fn(&Value) -> bool| {
            let some = place.ram(&format!("look a --split {split} --rows 50 --json {option}")).json();
            let expected: Vec<_> = rows.iter().filter(|row| is(row)).cloned().collect();
            assert_eq!(some["rows"].as_array().unwrap(), &expected, "{option}");
        };
        part("--only-wrong", &|row| row["right"] == false);
        let class = rows[3]["label"].clone();
        part(&format!("--class {class}"), &|row| row["label"] == class);
    }
    let row = &place.ram("look a --rows 1 --json").json()["rows"][0];
    assert_eq!(row["probabilities"].as_array().unwrap().len(), 3);
    assert_eq!(row["windows"][0].as_array().unwrap().len(), 2);
    assert_eq!(row["windows"][0][1]["side"], 16);
}

#[test]
fn an_image_of_ones_own() {
    let place = trained();
    place.photo("photo.png", [90, 60], 250, 10);
    let look = place.ram("look a --image photo.png");
    for part in [
        "90×60 pixels, colour",
        "made grey",
        "inverted, since it is dark on bright",
        "centred on 28×28 pixels, as in MNIST; in the middle of a black canvas of 40×40",
    ] {
        assert!(look.succeeds().contains(part), "{part} in {}", look.out);
    }
    size(&place.bytes("look.png"));
    let as_it_is = place.ram("look a --image photo.png --invert false --gif own.gif --json").json();
    assert!(!as_it_is["how"].as_str().unwrap().contains("inverted"));
    assert_eq!((&as_it_is["rows"][0]["label"], &as_it_is["rows"][0]["right"]), (&Value::Null, &Value::Null));
    assert!(place.path("own.gif").exists());

    place.ram("look a --image none.png").fails(3, &["none.png"]);
    fs::write(place.path("text.png"), "text").unwrap();
    place.ram("look a --image text.png").fails(3, &["text.png", "neither"]);
    let whole = place.bytes("photo.png");
    fs::write(place.path("half.png"), &whole[..whole.len() / 2]).unwrap();
    place.ram("look a --image half.png").fails(3, &["half.png", "a damaged PNG"]);
    place.ram("look a --image photo.png --rows 2").fails(2, &["cannot be used with"]);
    place.ram("look a --invert true").fails(2, &["--image"]);
}

#[test]
fn what_is_wrong_is_told_and_writes_nothing() {
    let place = trained();
    // What is wrong with the command line is told before the run is looked for.
    place.ram("look nowhere --out look.jpg").fails(2, &["look.jpg", ".png", ".svg"]);
    place.ram("look nowhere --out look.gif").fails(2, &["look.gif", "--gif"]);
    place.ram("look nowhere --gif look.png").fails(2, &["look.png", ".gif"]);
    place.ram("look nowhere --gif look.gif --rows 25").fails(2, &["--rows 25", "at most 24"]);
    place.ram("look nowhere").fails(4, &["nowhere", "no such run"]);
    place.ram("look a --rows 0").fails(2, &["--rows"]);
    place.ram("look a --class x").fails(2, &["--class x", "0, 1, 2"]);
    let unwritable = place.ram("look a --out no/such/look.png");
    unwritable.fails(1, &["cannot write no/such/look.png"]);
    assert_eq!(unwritable.err.matches("os error").count(), 1, "a cause is told once: {}", unwritable.err);
    place.ram("train --config tiny.toml --set data.validation=1 --name one").succeeds();
    let label = place.ram("look one --json").json()["rows"][0]["label"].as_u64().unwrap();
    let other = (label + 1) % 10;
    place
        .ram(&format!("look one --class {other} --only-wrong"))
        .fails(2, &[&format!("no image of class {other} that is classified wrong among the 1 validation images")]);
    fs::remove_file(place.path("look.png")).unwrap();

    // Who chooses nothing expects nothing.
    place.ram("train --config tiny.toml --set model.glimpses=1 --name single").succeeds();
    let expects = |run: &str| {
        place.ram(&format!("look {run} --rows 1 --out b.svg --json")).json()["rows"][0]["baselines"][0].clone()
    };
    assert!(expects("single").is_null() && expects("a").is_number());

    // Runs that have no glimpses to show.
    place.ram("train --config tiny.toml --set model.kind=fc --name fc").succeeds();
    place.ram("look fc").fails(2, &["model.kind is fc", "no glimpses"]);
    place
        .ram(
            "train --experiment catch --set data.train=64 --set data.validation=8 --set train.epochs=1 --set model.hidden=8 \
             --set model.glimpse_features=8 --set model.features=8 --name game",
        )
        .succeeds();
    place.ram("look game").fails(2, &["plays Catch", "ram play"]);

    // Empty, damaged, of another version.
    fs::create_dir(place.path("runs/empty")).unwrap();
    for name in ["run.json", "config.toml"] {
        fs::copy(place.path("runs/a").join(name), place.path("runs/empty").join(name)).unwrap();
    }
    place.ram("look empty").fails(4, &["not completed an epoch"]);
    let info = fs::read_to_string(place.path("runs/empty/run.json")).unwrap();
    fs::write(place.path("runs/empty/run.json"), info.replace("\"format\": 1", "\"format\": 9")).unwrap();
    place.ram("look empty").fails(4, &["run of format version 9"]);
    fs::write(place.path("runs/a/best.safetensors"), "text").unwrap();
    place.ram("look a").fails(4, &["best.safetensors", "not a safetensors file"]);
    assert!(!place.path("look.png").exists());
}

#[test]
fn contact_sheets_of_every_canvas() {
    let place = Place::with_files(&[]);
    for (canvas, size, clutter) in
        [("centred", 28, 0), ("translated", 60, 0), ("cluttered", 60, 4), ("cluttered", 100, 8)]
    {
        let line = format!(
            "data show --set data.source=digits --set data.train=64 --set data.canvas={canvas} --set data.size={size} \
             --set data.clutter={clutter} --count 10 --out sheet.svg"
        );
        place.ram(&line).succeeds();
        let svg = String::from_utf8(place.bytes("sheet.svg")).unwrap();
        let pieces = if clutter > 0 { format!(", {clutter} pieces of clutter") } else { String::new() };
        let title = format!("<title>built-in digits, {canvas}, {size}×{size} pixels{pieces}. ");
        assert!(svg.contains(&title), "{title} in {}", &svg[..300]);
        assert_eq!(svg.matches("<image ").count(), 10);
    }
    place.ram("data show --preset demo --out sheet.bmp").fails(2, &["sheet.bmp", ".png"]);
}

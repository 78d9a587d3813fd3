//! Folders of pictures as people have them, from outside: what is used, what is not, and what a run says of either.

use std::fs;

use datasets::idx::Idx;

use crate::data::{TINY, lights, place, png};
use crate::place::Place;

/// A picture of 20×20 pixels whose left or right half is bright.
fn half(is_right: bool) -> Vec<u8> {
    let level = |i: usize| if (i % 20 >= 10) == is_right { 230 } else { 20 };
    png(&(0..400).map(level).collect::<Vec<u8>>(), [20; 2], png::ColorType::Grayscale)
}

/// The classes a and b, so many pictures each: left and right, or the other way round.
fn two(place: &Place, folder: &str, count: usize, swapped: bool) {
    for i in 0..count {
        place.write(&format!("{folder}/a/{i}.png"), &half(swapped));
        place.write(&format!("{folder}/b/{i}.png"), &half(!swapped));
    }
}

/// A training of which the network sees each whole picture.
fn train(data: &str, name: &str) -> String {
    format!("train --data {data} {TINY} --set model.patch=20 --set train.epochs=8 --name {name}")
}

#[test]
fn a_folder_val_is_the_validation_split() {
    let place = place();
    two(&place, "pictures/train", 40, false);
    two(&place, "pictures/Val", 10, true);
    let out = place.ram(&train("folder:pictures", "a"));
    assert!(out.succeeds().contains("20 validation images") && out.err.is_empty(), "{}{}", out.out, out.err);
    // Its pictures are the wrong way round, so a network that has learned is wrong about all of them.
    assert!(place.ram("eval a --json").json()["error"].as_f64().unwrap() < 0.2);
    let found = place.ram("eval a --split validation --which last --json").json();
    assert!(found["error"].as_f64().unwrap() > 0.8 && found["count"] == 20, "{found}");
}

#[test]
fn what_is_left_out_is_told_and_strict_refuses_it() {
    let place = place();
    two(&place, "pictures", 40, false);
    fs::create_dir(place.path("pictures/c")).unwrap();
    for i in 0..5 {
        place.write(&format!("pictures/b/{i}.webp"), b"RIFF");
    }
    place.write("pictures/b/deep/1.png", &half(true));
    place.write("pictures/readme.txt", b"");
    let warned = place.ram(&train("folder:pictures", "a"));
    assert!(warned.succeeds().contains("3 classes"));
    for part in [
        "warning: 5 files in the format .webp are not read (b/0.webp, b/1.webp, b/2.webp and 2 more)",
        "warning: a class has no usable training picture: c (no picture at all); --strict makes this an error",
        "warning: 1 other file is not used (readme.txt)",
    ] {
        assert!(warned.err.contains(part), "{part} in {}", warned.err);
    }
    let strict = train("folder:pictures", "b") + " --strict";
    place.ram(&strict).fails(3, &["format .webp", "c (no picture at all)", "data.strict refuses this"]);
    assert!(!place.path("runs/b").exists());

    fs::remove_dir(place.path("pictures/c")).unwrap();
    (0..5).for_each(|i| fs::remove_file(place.path(&format!("pictures/b/{i}.webp"))).unwrap());
    // What is no picture is told, and is no fault.
    let strict = place.ram(&strict);
    assert!(strict.succeeds().contains("2 classes") && strict.err.contains("readme.txt"), "{}", strict.err);
}

#[test]
fn a_class_may_be_called_train_and_a_split_must_lie_beside_training() {
    let place = place();
    for i in 0..40 {
        place.write(&format!("vehicles/bus/{i}.png"), &half(false));
        place.write(&format!("vehicles/train/{i}.png"), &half(true));
    }
    let told = place.ram(&train("folder:vehicles", "a"));
    assert!(told.succeeds().contains("2 classes"));
    assert!(
        told.err.contains("train is read as a class: it would be a split if class folders lay in it"),
        "{}",
        told.err
    );

    two(&place, "half", 3, false);
    two(&place, "half/val", 3, false);
    place.ram(&train("folder:half", "b")).fails(3, &["half/val has folders in it", "no folder `train`"]);
}

#[test]
fn foreign_data_are_evaluated_whole_and_by_the_names_of_classes() {
    let place = place();
    two(&place, "good", 40, false);
    place.ram(&train("folder:good", "a")).succeeds();
    two(&place, "ext", 30, false);
    let found = place.ram("eval a --data folder:ext --json").json();
    assert_eq!((&found["count"], &found["split"]), (&60.into(), &"all".into()));
    assert!(found["error"].as_f64().unwrap() < 0.2, "{found}");
    let told = place.ram("eval a --data folder:ext");
    assert!(told.succeeds().contains("of 60 images, all of ext"), "{}", told.out);
    assert!(told.err.contains("60 of 60 files have the bytes of files of the run's own data"), "{}", told.err);

    // Fewer classes, of which one comes first only there.
    for i in 0..7 {
        place.write(&format!("fewer/b/{i}.png"), &half(true));
    }
    fs::create_dir(place.path("fewer/0")).unwrap();
    let fewer = place.ram("eval a --data folder:fewer");
    assert!(fewer.succeeds().contains("of 7 images, all of fewer"), "{}", fewer.out);
    assert!(fewer.err.contains("there is no image of 1 of the run's classes: a"), "{}", fewer.err);
    assert!(place.ram("eval a --data folder:fewer --json").json()["error"].as_f64().unwrap() < 0.2);

    place.write("unknown/c/1.png", &half(true));
    place.write("unknown/a/1.png", &half(true));
    place.ram("eval a --data folder:unknown").fails(3, &["unknown has the class c", "trained on a, b"]);
    // The run's own folder, named again, is no foreign one.
    assert_eq!(place.ram("eval a --data folder:good --json").json(), place.ram("eval a --json").json());

    // A pair of IDX files whose labels are fewer.
    let idx = |name: &str, dims: &[u32], data: Vec<u8>| {
        Idx { dims: dims.to_vec(), data }.write(fs::File::create(place.path(name)).unwrap()).unwrap();
    };
    idx("im", &[200, 9, 9], (0..200 * 81).map(|i| (i % 251) as u8).collect());
    idx("la", &[200], (0..200).map(|i| i % 4).collect());
    idx("la3", &[200], (0..200).map(|i| i % 3).collect());
    place.ram(&format!("train --data idx:im,la {TINY} --set train.epochs=1 --name i")).succeeds();
    let found = place.ram("eval i --data idx:im,la3");
    assert!(found.succeeds().contains("of 200 images, all of im") && found.err.contains("classes: 3"), "{}", found.err);
    place.ram("eval i --data folder:good").fails(3, &["the classes a, b", "trained on 0, 1, 2, 3"]);
}

#[test]
fn a_run_notices_that_pictures_are_no_longer_the_same() {
    let place = place();
    two(&place, "pictures", 30, false);
    place.ram(&train("folder:pictures", "a")).succeeds();
    place.ram("train --resume --name a").succeeds();
    place.write("pictures/a/new.png", &half(false));
    fs::remove_file(place.path("pictures/b/3.png")).unwrap();
    place.write("pictures/b/4.png", &half(false));
    place.ram("train --resume --name a").fails(
        3,
        &[
            "1 file was added (a/new.png), 1 file was removed (b/3.png), 1 file was replaced (b/4.png)",
            "put them back, or begin a new run with these weights: --init-from runs/a",
        ],
    );
    // A run of before there were fingerprints goes on.
    fs::remove_file(place.path("runs/a/data.json")).unwrap();
    place.ram("train --resume --name a").succeeds();
}

#[test]
fn glimpses_that_see_little_are_warned_of() {
    let place = place();
    for (i, split) in (0..60_usize).flat_map(|i| [(i, "train"), (i, "val")]) {
        let picture = png(&[if i % 2 == 0 { 20 } else { 220 }; 128 * 128], [128; 2], png::ColorType::Grayscale);
        place.write(&format!("large/{split}/{}/{i}.png", ["a", "b"][i % 2]), &picture);
    }
    let small = "--set train.epochs=1 --set model.hidden=16";
    let told = place.ram(&format!("train --data folder:large {small} --name a"));
    told.succeeds();
    assert!(told.err.contains("at most 2.3 % of a picture: 6 of 8×8 pixels on 128×128"), "{}", told.err);
    assert!(told.err.contains("--set model.patch=8 --set model.scales=5"), "{}", told.err);
    let helped =
        place.ram(&format!("train --data folder:large {small} --set model.patch=8 --set model.scales=5 --name b"));
    helped.succeeds();
    assert!(helped.err.is_empty(), "{}", helped.err);

    // The page names the data, and shows as many images as were asked for, smaller ones.
    place.ram("report a --count 200 --out page.html").succeeds();
    let page = String::from_utf8(place.bytes("page.html")).unwrap();
    assert!(page.contains("pictures in large") && !page.contains("built-in digits"));
    assert!(
        page.contains("So that this page stays small, they are embedded at 64×64 pixels, not 128×128."),
        "{}",
        page.len()
    );
    assert!(page.len() < 2_000_000, "{}", page.len());
}

#[cfg(unix)]
#[test]
fn control_characters_in_names_reach_no_terminal() {
    let place = place();
    for i in 0..60 {
        place.write(&format!("p/a\x1b[31m\n/{i}.png"), &half(false));
        place.write(&format!("p/b/{i}\x1b]0;x\x07.png"), if i % 2 == 0 { b"torn" } else { b"" });
        place.write(&format!("p/b/{i}.png"), &half(true));
        place.write(&format!("p/b/{i}\x1b.webp"), b"");
    }
    let checked = |line: &str, code: i32| {
        let ended = place.ram(line);
        assert_eq!(ended.code, code, "{}{}", ended.out, ended.err);
        for text in [&ended.out, &ended.err] {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{line}: {text:?}");
        }
        ended
    };
    let told = checked(&train("folder:p", "a"), 0);
    assert!(told.err.contains(r"\u{1b}]0;x\u{7}.png is "), "{}", told.err);
    let some = place.path("p/b/1.png");
    let predicted = checked(&format!("predict a {}", some.display()), 0);
    assert!(predicted.out.contains(r"a\u{1b}[31m\n"), "{}", predicted.out);
    checked("predict a p", 3);
    checked("eval a", 0);
    checked("look a --class none", 2);
    fs::rename(place.path("p/b"), place.path("p/c\x1b")).unwrap();
    let other = checked("eval a", 3);
    assert!(other.err.contains(r"a\u{1b}[31m\n, c\u{1b}") && other.err.lines().count() == 1, "{}", other.err);
}

#[test]
fn a_folder_is_predicted_in_the_order_of_names() {
    let place = place();
    lights(&place, "lights", 1);
    place.ram(&format!("train --data folder:lights {TINY} --set train.epochs=1 --name a")).succeeds();
    for name in ["new/c.png", "new/b/2.png", "new/b/1.jfif.png", "new/a.png"] {
        place.write(name, &half(true));
    }
    place.write("new/notes.txt", b"");
    place.write("new/x.bmp", b"BM");
    let told = place.ram("predict a new --json");
    let lines =
        told.succeeds().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["image"].clone());
    let names: Vec<_> = lines.map(|name| name.as_str().unwrap().replace('\\', "/")).collect();
    assert_eq!(names, ["new/a.png", "new/b/1.jfif.png", "new/b/2.png", "new/c.png"]);
    assert!(told.err.contains("1 file in the format .bmp is not read (x.bmp)"), "{}", told.err);
    assert!(told.err.contains("1 other file is not used (notes.txt)"), "{}", told.err);
    fs::create_dir(place.path("empty")).unwrap();
    place.ram("predict a empty").fails(3, &["empty has no PNG or JPEG files"]);

    let torn: &[u8] = include_bytes!("../../datasets/tests/files/cut.jpg");
    place.write("cut.jpg", torn);
    let told = place.ram("predict a cut.jpg");
    told.fails(3, &["cut.jpg is a damaged JPEG"]);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    place.write("bare.jpg", include_bytes!("../../datasets/tests/files/no_dht.jpg"));
    place.write("turned.png", include_bytes!("../../datasets/tests/files/exif6.png"));
    let told = place.ram("predict a bare.jpg turned.png");
    assert!(
        told.succeeds().contains("64×48 pixels, colour") && told.out.contains("48×64 pixels, colour"),
        "{}",
        told.out
    );
    place.ram("look a --as-is").fails(2, &["--as-is", "--image"]);
}

/// Five segments of metadata stand before the header.
#[test]
fn pictures_behind_much_metadata_keep_their_size_and_colours() {
    let place = place();
    let data = [&b"http://ns.adobe.com/xmp/extension/\0"[..], &[0; 65_000]].concat();
    let segment = [&[0xff, 0xe1][..], &((data.len() + 2) as u16).to_be_bytes(), &data].concat();
    // A grey picture of 40×24 pixels, each of whose blocks is empty: a code for DC, a code for AC, in the tables of the standard.
    let frame = [8, 0, 24, 0, 40, 1, 1, 0x11, 0];
    let tables: Vec<u8> = std::iter::once(0).chain([1; 64]).collect();
    let part = |marker: u8, data: &[u8]| [&[0xff, marker][..], &((data.len() + 2) as u16).to_be_bytes(), data].concat();
    // 00 and 1010 for each of the 15 blocks, 90 bits, and ones at the end.
    let codes = [0x28, 0xa2, 0x8a].repeat(3).into_iter().chain([0x28, 0xa2, 0xbf]);
    let bytes = [
        &[0xff, 0xd8][..],
        &segment.repeat(5),
        &part(0xdb, &tables),
        &part(0xc0, &frame),
        &part(0xda, &[1, 1, 0, 0, 63, 0]),
        &codes.collect::<Vec<u8>>(),
        &[0xff, 0xd9],
    ]
    .concat();
    for i in 0..30 {
        place.write(&format!("deep/a/{i}.jpg"), &bytes);
        place.write(&format!("deep/b/{i}.jfif"), &bytes);
    }
    place.ram(&format!("train --data folder:deep {TINY} --set train.epochs=1 --name a")).succeeds();
    let config = fs::read_to_string(place.path("runs/a/config.toml")).unwrap();
    assert!(config.contains("size = 40") && config.contains("channels = 1"), "{config}");

    for i in 0..30 {
        place.write(&format!("torn/a/{i}.jpg"), &bytes[..1000]);
        place.write(&format!("torn/b/{i}.jpg"), &bytes[..1000]);
    }
    place.ram(&format!("train --data folder:torn {TINY} --name b")).fails(3, &["no readable picture among its first"]);
}

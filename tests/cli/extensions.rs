//! The extensions of Sec. 5 from outside: stopping, zooms, clips; and which combinations are refused.

use crate::data::png;
use crate::place::{Place, TINY};

fn place() -> Place {
    Place::with_files(&[("tiny.toml", TINY)])
}

#[test]
fn wrong_combinations_are_refused_by_name() {
    let place = place();
    for (line, key, expected) in [
        ("--config tiny.toml --set loss.glimpse_price=0.1", "loss.glimpse_price", "set policy.stop=learned"),
        (
            "--config tiny.toml --set policy.stop=learned --set model.glimpses=1",
            "policy.stop",
            "nothing is left to choose",
        ),
        ("--config tiny.toml --set policy.stop=learned --set model.kind=fc", "policy.stop", "which take no glimpses"),
        ("--experiment catch --set policy.stop=learned", "policy.stop", "in a game, whose rules say when it ends"),
        ("--config tiny.toml --set policy.zooms=4 --set model.scales=6", "policy.zooms", "model.scales + model.zoom"),
        ("--config tiny.toml --set policy.zooms=2 --set model.kind=conv", "policy.zooms", "which take no glimpses"),
        ("--config tiny.toml --set policy.zooms=2 --set model.glimpses=1", "policy.zooms", "set model.zoom"),
        ("--config tiny.toml --set policy.zoom=oracle", "policy.zoom", "set policy.zooms=3"),
        ("--experiment catch --set policy.zooms=2 --set policy.zoom=oracle", "policy.zoom", "no digit has a size"),
        (
            "--config tiny.toml --set data.canvas=moving --set data.size=40",
            "model.glimpses",
            "a frame for each glimpse",
        ),
        (
            "--config tiny.toml --set data.canvas=moving --set data.size=40 --set data.frames=3 --set model.kind=fc",
            "model.kind",
            "ram for clips",
        ),
        ("--config tiny.toml --set data.frames=3", "data.frames", "data.canvas=moving"),
        ("--config tiny.toml --set data.scale=[2,1]", "data.scale", "low is at most high"),
        ("--config tiny.toml --set data.scale=[1,2]", "data.scale", "data.size is 28"),
    ] {
        place.ram(&format!("train {line} --name a")).fails(2, &[key, expected]);
        assert!(!place.path("runs/a").exists(), "{line}");
    }
}

#[test]
fn an_agent_that_stops_is_evaluated_beside_other_rules() {
    let place = place();
    let sets = "--set policy.stop=learned --set loss.glimpse_price=0.01 --set loss.returns=to-go --set loss.reward=probability";
    let trained = place.ram(&format!("train --config tiny.toml --name a {sets}"));
    assert!(trained.succeeds().contains("glimpses"), "{}", trained.out);
    let plain = place.ram("eval a").succeeds().to_owned();
    assert!(plain.contains("on average;") && plain.contains("images took 1, 2, … of them"), "{plain}");
    let found = place.ram("eval a --stopping --json").json();
    let rules = found["rules"].as_array().unwrap();
    let names: Vec<_> = rules.iter().map(|rule| rule["rule"]["rule"].as_str().unwrap()).collect();
    let fixed = ["fixed"; 3];
    assert_eq!(names, [&["learned", "threshold", "shuffled"][..], &["threshold"; 4], &fixed, &["oracle"]].concat());
    let evaluated = place.ram("eval a --json").json();
    assert_eq!((&evaluated["error"], &evaluated["glimpses"]), (&rules[0]["error"], &rules[0]["glimpses"]));
    assert_eq!(evaluated["taken"].as_array().unwrap().len(), 3);
    for part in ["as it has learned", "as many glimpses", "as often, at other images", "after 2 glimpses", "oracle"] {
        assert!(place.ram("eval a --stopping").succeeds().contains(part), "{part}");
    }
    // Anything is sure enough for 0, and nothing for 1.
    assert_eq!(place.ram("eval a --stop-at 0 --json").json()["glimpses"], 1.0);
    assert_eq!(place.ram("eval a --stop-at 1 --json").json()["taken"][2], 60);
    place.ram("eval a --stop-at 1.5").fails(2, &["a probability from 0 to 1"]);
    place.ram("eval a --stop-at 0.5 --stopping").fails(2, &["cannot be used with"]);
    place.ram("train --config tiny.toml --name fc --set model.kind=fc").succeeds();
    place.ram("eval fc --stop-at 0.5").fails(2, &["no glimpses to stop after"]);
    place.ram("eval fc --stopping").fails(2, &["sees the whole image at once"]);
    place.ram("look a --out a.png --gif a.gif --rows 8").succeeds();
    // Where all have stopped, nothing is told of further glimpses.
    assert_eq!(place.ram("eval a --stop-at 0 --json").json()["fixation_spread"].as_array().unwrap().len(), 1);
    let explained = place.ram("explain a").succeeds().to_owned();
    assert!(explained.contains("stop(h") && explained.contains("log π(s"), "{explained}");
}

#[test]
fn an_agent_that_zooms_says_at_which() {
    let place = place();
    let sets = "--set policy.zooms=3 --set data.scale=[0.5,2] --set data.canvas=translated --set data.size=60";
    place.ram(&format!("train --config tiny.toml --name a {sets}")).succeeds();
    let found = place.ram("eval a --json").json();
    let zooms = found["zooms"].as_array().unwrap();
    // The first glimpse is the widest.
    assert!(zooms.len() == 3 && zooms[0] == serde_json::json!([0, 0, 60]), "{zooms:?}");
    let sizes = found["by_size"].as_array().unwrap();
    let count: u64 = sizes.iter().map(|group| group["count"].as_u64().unwrap()).sum();
    assert!(sizes.len() > 3 && count == 60, "{sizes:?}");
    let told = place.ram("eval a").succeeds().to_owned();
    assert!(told.contains("0/0/100") && told.contains("side of the digit in pixels"), "{told}");
    // Windows are drawn as wide as they are: 8 pixels at zoom 0, 32 at zoom 2.
    let drawn = place.ram("look a --json --out a.png").json();
    let sides: Vec<_> = drawn["rows"][0]["windows"].as_array().unwrap().iter().map(|w| w[0]["side"].clone()).collect();
    assert!(sides[0] == 32 && sides.iter().all(|side| [8, 16, 32].iter().any(|s| side == s)), "{sides:?}");
    place.write("one.png", &png(&[0; 60 * 60], [60; 2], png::ColorType::Grayscale));
    assert!(place.ram("predict a one.png").succeeds().contains("32 pixels wide"));
    assert!(place.ram("explain a").succeeds().contains("log π(z"));
}

/// A frame of 16×16 pixels with a bright column.
fn bar(column: usize) -> Vec<u8> {
    let level = |i: usize| if (i % 16).abs_diff(column) < 2 { 240 } else { 10 };
    png(&(0..256).map(level).collect::<Vec<u8>>(), [16; 2], png::ColorType::Grayscale)
}

/// Two classes that only the order of the frames tells apart: a bar that walks to the right, and one that walks to the left.
fn walks(place: &Place, folder: &str, frames: usize) {
    for clip in 0..60 {
        for t in 0..frames {
            let column = 2 + (clip % 7) + 2 * t;
            place.write(&format!("{folder}/right/{clip}/{t}.png"), &bar(column));
            place.write(&format!("{folder}/left/{clip}/{t}.png"), &bar(4 + (clip % 7) + 2 * (frames - 2) - 2 * t));
        }
    }
}

#[test]
fn a_folder_of_clips_is_learned_and_a_clip_is_named() {
    let place = place();
    walks(&place, "clips", 3);
    let sets = "--set data.frames=3 --set data.size=16 --set model.patch=16 --set model.glimpses=3 --set model.features=32 \
                --set model.hidden=32 --set model.glimpse_features=32 --set train.batch=8 --set train.epochs=20 \
                --set policy.locations=centre";
    let trained = place
        .ram(&format!("train --preset mnist --data frames:clips --name a {sets} --set optimiser.learning_rate=3e-3"));
    assert!(trained.succeeds().contains("2 classes") && trained.err.is_empty(), "{}{}", trained.out, trained.err);
    let found = place.ram("eval a --json").json();
    assert!(found["error"].as_f64().unwrap() < 0.1, "the order of the frames was not learned: {found}");
    walks(&place, "others", 4);
    let told = place.ram("predict a others/right/3 others/left/5");
    let classes: Vec<_> = told.succeeds().lines().filter(|line| line.starts_with("others")).collect();
    assert!(classes[0].contains(": right (") && classes[1].contains(": left ("), "{classes:?}");
    assert!(told.err.contains("it has 4 pictures; the first 3 are used"), "{}", told.err);
    let whole = place.ram("eval a --data frames:others --json");
    assert!(
        whole.json()["error"].as_f64().unwrap() < 0.2 && whole.err.contains("of which the first 3 are used"),
        "{}",
        whole.err
    );
    place.ram("eval a --data digits").fails(2, &["looks at clips of 3 frames", "frames:PATH"]);
    place.ram("train --config tiny.toml --name still").succeeds();
    place.ram("eval still --data frames:others").fails(2, &["images that stay the same"]);
    place.ram("predict a others/right/3/0.png").fails(2, &["looks at clips of 3 frames", "name a folder"]);
    place.write("short/0.png", &bar(3));
    place.ram("predict a short").fails(2, &["it has 1 pictures, but this run looks at clips of 3 frames"]);
    place.ram("look a --image others/right/3/0.png").fails(2, &["clips of 3 frames"]);
    place.ram("look a --gif a.gif --out a.png").succeeds();
    place.ram("report a").succeeds();
}

#[test]
fn a_moving_digit_is_followed_in_an_animation() {
    let place = place();
    let sets = "--set data.canvas=moving --set data.size=44 --set data.frames=3 --set data.clutter=2";
    place.ram(&format!("train --config tiny.toml --name a {sets}")).succeeds();
    let told = place.ram("eval a").succeeds().to_owned();
    assert!(told.contains("pixels to its centre, glimpse by glimpse"), "{told}");
    place.ram("look a --gif a.gif --out a.png --rows 2").succeeds();
    let bytes = place.bytes("a.gif");
    // A picture for each frame and one for the end, each introduced by a graphic control extension.
    let pictures = bytes.windows(3).filter(|three| *three == [0x21, 0xf9, 0x04]).count();
    assert!(bytes.starts_with(b"GIF89a") && pictures >= 4, "{pictures} pictures");
    place.ram("report a").succeeds();
    place.ram("explain a").succeeds();
}

#[test]
fn the_time_of_an_answer_is_measured_and_drawn_by_the_edge() {
    let place = place();
    let found = place.ram("bench edges --largest 64 --rounds 1 --json --out edges.png").json();
    let rows = found["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(
        names.len() == 6 && names[0].contains("RAM") && names[5].contains("FC") && names[5].contains("64x64"),
        "{names:?}"
    );
    assert!(place.bytes("edges.png").starts_with(b"\x89PNG"));
    place.ram("bench edges --largest 16 --rounds 1").fails(2, &["32..=16384"]);
}

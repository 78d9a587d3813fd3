//! Translates `--data` into keys of the configuration.

use std::path::Path;

use datasets::picture::Header;
use ram::config::{Canvas, Config, Source};
use ram::data;
use ram::error::RamError;
use ram::model::{Model, ModelKind};
use toml::Value;

/// The number of pictures whose headers are read.
const SURVEYED: usize = 200;

/// The largest edge that is chosen for user pictures; a larger one must be set explicitly.
const EDGE: usize = 256;

/// Glimpses that see this share of a picture, or more, can find what they look for.
const ENOUGH: f64 = 0.1;

/// The keys for a source: `mnist`, `fashion-mnist`, `digits`, `folder:PATH`, `idx:IMAGES,LABELS`, `frames:PATH`.
pub fn sets(data: &str) -> Result<Vec<String>, RamError> {
    let set = |key: &str, value: &str| format!("data.{key}={}", Value::from(value));
    let wrong = |what: &str| {
        Err(RamError::Config(format!(
            "--data {data}: {what}; expected mnist, fashion-mnist, digits, folder:PATH, idx:IMAGES,LABELS or frames:PATH"
        )))
    };
    match data.split_once(':') {
        Some(("folder" | "frames", "")) => wrong("no path"),
        Some((source @ ("folder" | "frames"), path)) => Ok(vec![set("source", source), set("path", path)]),
        Some(("idx", files)) => match files.split_once(',') {
            Some((images, labels)) if !images.is_empty() && !labels.is_empty() => {
                Ok(vec![set("source", "idx"), set("path", images), set("labels", labels)])
            }
            _ => wrong("two files are needed, the images and the labels"),
        },
        None if ["mnist", "fashion-mnist", "digits"].contains(&data) => Ok(vec![set("source", data)]),
        _ if Path::new(data).is_dir() => wrong(&format!("did you mean folder:{data}?")),
        _ => wrong("no such source"),
    }
}

/// The keys that follow from the files of user pictures: their channels and, on a centred canvas, their size.
pub fn sets_of_files(config: &Config, data_dir: Option<&Path>) -> Result<Vec<String>, RamError> {
    let headers = match config.data.source {
        Source::Folder => data::folder(config, data_dir).headers(SURVEYED)?,
        Source::Idx => vec![data::idx_pair(config, data_dir).header()?],
        Source::Frames => data::clip_folder(config, data_dir).headers(SURVEYED)?,
        _ => return Ok(Vec::new()),
    };
    let edge = |header: &Header| header.height.max(header.width);
    let mut sets = Vec::new();
    if let Some(channels) = headers.iter().map(|header| header.channels).max() {
        sets.push(format!("data.channels={channels}"));
    }
    if let Some(size) = headers.iter().map(edge).max().filter(|_| config.data.canvas == Canvas::Centred) {
        let size = size.clamp(4, EDGE);
        sets.push(format!("data.size={size}"));
        // The preset's coarsest patch covers a picture of the largest size; smaller pictures need fewer scales.
        let Model { patch, scales, .. } = config.model;
        let enough = (1..scales).find(|scales| patch << (scales - 1) >= size).unwrap_or(scales);
        if enough < scales {
            sets.push(format!("model.scales={enough}"));
        }
    }
    Ok(sets)
}

/// A warning if the glimpses of a configuration see little of the user's pictures, with the keys that let them see more.
pub fn small_retina(config: &Config) -> Option<String> {
    let data = &config.data;
    let Model { patch, scales, zoom, glimpses, .. } = config.model;
    if !data.source.is_user_pictures() || config.model.kind != ModelKind::Ram {
        return None;
    }
    let zooms = config.policy.zooms;
    let widest = (patch << (scales - 1 + zoom + zooms - 1)).min(data.size);
    // At best, no two glimpses overlap.
    let share = (glimpses * widest * widest) as f64 / (data.size * data.size) as f64;
    if share >= ENOUGH {
        return None;
    }
    // As in the preset for pictures: a sixteenth of the edge, and as many scales as make the coarsest patch cover it.
    let fine = (data.size / 16).clamp(4, 32).next_multiple_of(2);
    let enough = (1..8).find(|scales| fine << (scales - 1) >= data.size).unwrap_or(8);
    Some(format!(
        "the glimpses see at most {:.1} % of a picture: {glimpses} of {widest}×{widest} pixels on {size}×{size}; a coarse patch that \
         covers the picture shows where to look closer: --set model.patch={fine} --set model.scales={enough}, or --preset pictures",
        100.0 * share,
        size = data.size
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_becomes_keys() {
        assert_eq!(sets("digits").unwrap(), [r#"data.source="digits""#]);
        // Paths may have Windows drives, blanks and numbers.
        assert_eq!(sets("folder:C:/my 7").unwrap(), [r#"data.source="folder""#, r#"data.path="C:/my 7""#]);
        assert_eq!(sets("folder:7").unwrap()[1], r#"data.path="7""#);
        assert_eq!(sets("frames:b").unwrap(), [r#"data.source="frames""#, r#"data.path="b""#]);
        assert_eq!(sets("idx:a,b").unwrap()[1..], [r#"data.path="a""#, r#"data.labels="b""#]);
        for (data, part) in [
            ("idx:a", "two files"),
            ("folder:", "no path"),
            ("frames:", "no path"),
            ("cats", "no such"),
            (".", "folder:.?"),
        ] {
            let text = sets(data).unwrap_err().to_string();
            assert!(text.contains(&format!("--data {data}: ")) && text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_path_survives_the_way_through_toml() {
        for path in [r"C:\pictures\new", "it's \"here\"", "a=b", "é", "true"] {
            let sets = sets(&format!("folder:{path}")).unwrap();
            let config = Config::load(ram::config::Base::Preset("mnist"), &sets).unwrap();
            assert_eq!(config.data.path, path);
            assert_eq!(Config::from_toml(&config.to_toml(), "written").unwrap(), config);
        }
    }

    #[test]
    fn glimpses_that_see_little_are_warned_of_with_keys_that_help() {
        let load = |preset: &str, sets: &[&str]| {
            let sets: Vec<_> = sets.iter().map(|&set| set.to_owned()).collect();
            Config::load(ram::config::Base::Preset(preset), &sets).unwrap()
        };
        let own = ["data.source=folder", "data.path=a", "data.size=256"];
        let told = small_retina(&load("mnist", &own)).unwrap();
        assert!(told.contains("at most 0.6 % of a picture: 6 of 8×8 pixels on 256×256"), "{told}");
        assert!(told.contains("--set model.patch=16 --set model.scales=5"), "{told}");
        let helped = [&own[..], &["model.patch=16", "model.scales=5"]].concat();
        assert_eq!(small_retina(&load("mnist", &helped)), None);
        assert_eq!(small_retina(&load("pictures", &[])), None);
        assert_eq!(small_retina(&load("mnist", &[])), None, "no pictures of the user's");
        assert_eq!(small_retina(&load("mnist", &[&own[..], &["model.kind=fc"]].concat())), None, "no glimpses");
    }
}

//! Translates `--data` into keys of the configuration.

use std::path::Path;

use datasets::picture::Header;
use ram::config::{Canvas, Config, Source};
use ram::data;
use ram::error::RamError;
use ram::model::Model;
use toml::Value;

/// The number of pictures whose headers are read.
const SURVEYED: usize = 200;

/// The largest edge that is chosen for user pictures; a larger one must be set explicitly.
const EDGE: usize = 256;

/// The keys for a source: `mnist`, `fashion-mnist`, `digits`, `folder:PATH`, `idx:IMAGES,LABELS`.
pub fn sets(data: &str) -> Result<Vec<String>, RamError> {
    let set = |key: &str, value: &str| format!("data.{key}={}", Value::from(value));
    let wrong = |what: &str| {
        Err(RamError::Config(format!(
            "--data {data}: {what}; expected mnist, fashion-mnist, digits, folder:PATH or idx:IMAGES,LABELS"
        )))
    };
    match data.split_once(':') {
        Some(("folder", "")) => wrong("no path"),
        Some(("folder", path)) => Ok(vec![set("source", "folder"), set("path", path)]),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_becomes_keys() {
        assert_eq!(sets("digits").unwrap(), [r#"data.source="digits""#]);
        // Paths may have Windows drives, blanks and numbers.
        assert_eq!(sets("folder:C:/my 7").unwrap(), [r#"data.source="folder""#, r#"data.path="C:/my 7""#]);
        assert_eq!(sets("folder:7").unwrap()[1], r#"data.path="7""#);
        assert_eq!(sets("idx:a,b").unwrap()[1..], [r#"data.path="a""#, r#"data.labels="b""#]);
        for (data, part) in [("idx:a", "two files"), ("folder:", "no path"), ("cats", "no such"), (".", "folder:.?")] {
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
}

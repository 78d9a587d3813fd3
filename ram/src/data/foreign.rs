//! Images that a trained network has nothing to do with: all of them are for its evaluation, and its classes are found by name.

use std::path::Path;

use datasets::rng::Purpose;
use datasets::{Canvases, DataError, Labelled, ReadSplit, Remark, Split, shown};

use super::{FIXED_SEED, TestData, canvas, check_frames, clip_folder, folder, idx_pair, notes};
use crate::config::{Config, Source};
use crate::error::RamError;

/// Opens the user's images that a configuration names, for a network with these classes. All of them are taken, unless the folder
/// has one of its own for `split`; the result also says whether it is the whole. `None` if they are no images of the user's.
///
/// # Errors
/// [`RamError::Data`] if the images are missing or damaged, or if one has a class that the network does not know.
pub fn open(
    config: &Config,
    dir: Option<&Path>,
    split: Split,
    classes: &[String],
) -> Result<Option<(TestData, bool)>, RamError> {
    let (read, is_whole) = match config.data.source {
        Source::Folder => folder(config, dir).read_whole(split)?,
        Source::Idx => (idx_pair(config, dir).read_whole()?, true),
        Source::Frames => clip_folder(config, dir).read_whole(split)?,
        _ => return Ok(None),
    };
    let read =
        renamed(read, classes).map_err(|what| RamError::Data(format!("{} {what}", shown::name(&config.data.path))))?;
    let notes = notes::on(config, Split::Test, &read)?;
    let canvas = canvas(config, &read.set);
    let test = Canvases::new(read.set, &canvas, FIXED_SEED, Purpose::TestCanvas)?;
    check_frames(config, test.frames())?;
    let classes = classes.to_vec();
    Ok(Some((TestData { test, classes, notes, object_fills_image: false }, is_whole)))
}

/// The same images with the labels that a network uses for their classes.
///
/// # Errors
/// What is wrong with the classes, as the rest of a sentence about the data.
fn renamed(read: ReadSplit, classes: &[String]) -> Result<ReadSplit, String> {
    let ReadSplit { set, class_names, unreadable, mut remarks } = read;
    let named = |names: &[&str]| names.iter().map(|name| shown::name(name)).collect::<Vec<_>>().join(", ");
    let mut counts = vec![0; class_names.len()];
    set.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    let place = |name: &String| classes.iter().position(|known| known == name);
    let of_run = || named(&classes.iter().map(String::as_str).collect::<Vec<_>>());

    let unknown: Vec<&str> = class_names
        .iter()
        .zip(&counts)
        .filter(|(name, count)| **count > 0 && place(name).is_none())
        .map(|(name, _)| &**name)
        .collect();
    if !unknown.is_empty() {
        let [kind, it] = if unknown.len() == 1 { ["the class", "it"] } else { ["the classes", "them"] };
        return Err(format!(
            "has {kind} {}, but the run was trained on {}; rename {it} or leave {it} out",
            named(&unknown),
            of_run()
        ));
    }
    let is_there = |class: &String| class_names.iter().zip(&counts).any(|(name, count)| name == class && *count > 0);
    let missing: Vec<&str> = classes.iter().filter(|class| !is_there(class)).map(String::as_str).collect();
    if !missing.is_empty() {
        remarks.push(Remark::note(format!(
            "there is no image of {} of the run's classes: {}",
            missing.len(),
            named(&missing)
        )));
    }
    let labels =
        set.labels.iter().map(|&label| place(&class_names[usize::from(label)]).unwrap_or_default() as u8).collect();
    let set = Labelled::new(set.images, labels, classes.len()).map_err(|error: DataError| error.to_string())?;
    Ok(ReadSplit { set, class_names: classes.to_vec(), unreadable, remarks })
}

#[cfg(test)]
mod tests {
    use datasets::Images;

    use super::*;

    fn read(labels: &[u8], names: &[&str]) -> ReadSplit {
        let images = Images::new(vec![7; labels.len()], 1, 1, 1).unwrap();
        let set = Labelled::new(images, labels.to_vec(), names.len()).unwrap();
        ReadSplit::new(set, names.iter().copied()).unwrap()
    }

    #[test]
    fn classes_are_found_by_name_and_may_be_fewer() {
        let classes = ["a", "b", "c"].map(String::from);
        let found = renamed(read(&[0, 1, 0], &["c", "a", "empty"]), &classes).unwrap();
        assert_eq!(
            (&found.set.labels[..], &found.class_names[..], found.set.classes),
            (&[2, 0, 2][..], &classes[..], 3)
        );
        assert_eq!(found.remarks, [Remark::note("there is no image of 1 of the run's classes: b")]);
        assert_eq!(renamed(read(&[2, 1, 0], &["a", "b", "c"]), &classes).unwrap().remarks, []);

        let error = renamed(read(&[0, 1, 2], &["a", "x", "y\x1b"]), &classes).unwrap_err();
        assert_eq!(
            error,
            r"has the classes x, y\u{1b}, but the run was trained on a, b, c; rename them or leave them out"
        );
    }
}

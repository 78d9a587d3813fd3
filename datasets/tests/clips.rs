//! Folders of clips as people arrange them: frames in the order of their numbers, clips of unequal length, and what is not used.

mod common;

use std::path::{Path, PathBuf};

use datasets::{ClipFolder, Fit, Preparation, ReadSplit, Source, Split};

use common::{plain, write};

fn folder(path: &Path, frames: usize) -> ClipFolder {
    let preparation = Preparation { channels: 1, height: 4, width: 4, fit: Fit::Pad, invert: false };
    ClipFolder { path: path.to_owned(), preparation, frames, seed: 1 }
}

/// A clip whose frames have the levels `first`, `first` + 1, …
fn clip(place: PathBuf, first: u8, frames: u8) {
    (0..frames).for_each(|i| write(place.join(format!("frame{i}.png")), &plain(first + i)));
}

/// In each split, two classes with three clips of twelve frames each.
fn splits(place: &Path) {
    for (split, level) in [("train", 0), ("validation", 80), ("test", 160)] {
        for (class, add) in [("nod", 0), ("wave", 40)] {
            for i in 0..3 {
                clip(place.join(split).join(class).join(format!("clip{i}")), level + add + 12 * i, 12);
            }
        }
    }
}

/// The levels of the frames of each clip, with its label, sorted.
fn levels(read: &ReadSplit) -> Vec<(u8, Vec<u8>)> {
    let images = &read.set.images;
    let frames = |clip: usize| (0..images.frames()).map(move |frame| images.frame(clip, frame)[5]);
    let mut all: Vec<_> = (0..images.len()).map(|clip| (read.set.labels[clip], frames(clip).collect())).collect();
    all.sort();
    all
}

#[test]
fn frames_come_in_the_order_of_their_numbers() {
    let place = tempfile::tempdir().unwrap();
    splits(place.path());
    let source = folder(place.path(), 12);
    let read = source.train_validation().unwrap();
    assert_eq!((&read.train.class_names[..], read.train.remarks.len()), (&["nod", "wave"].map(String::from)[..], 0));
    let clip = |label: u8, first: u8| (label, (first..first + 12).collect::<Vec<u8>>());
    assert_eq!(levels(&read.train), [clip(0, 0), clip(0, 12), clip(0, 24), clip(1, 40), clip(1, 52), clip(1, 64)]);
    assert_eq!(levels(&read.validation)[0], clip(0, 80));
    assert_eq!(levels(&source.test().unwrap())[5], clip(1, 224));
    assert_eq!((source.all_files().unwrap().len(), source.headers(9).unwrap().len()), (18 * 12, 6));
    let (whole, is_whole) = source.read_whole(Split::Test).unwrap();
    assert!(!is_whole && levels(&whole) == levels(&source.test().unwrap()));
}

#[test]
fn longer_clips_are_cut_and_shorter_ones_left_out_and_both_are_told() {
    let place = tempfile::tempdir().unwrap();
    splits(place.path());
    clip(place.path().join("train/nod/long"), 200, 15);
    clip(place.path().join("train/nod/deep/er"), 220, 11);
    let read = folder(place.path(), 12).train_validation().unwrap().train;
    assert_eq!(read.set.len(), 7);
    assert_eq!(levels(&read)[3], (0, (200..212).collect()));
    let told: Vec<_> = read.remarks.iter().map(|remark| (&*remark.what, remark.is_fault)).collect();
    let short = "1 clip of the train split has fewer than 12 frames and cannot be used (train/nod/deep/er has 11); set \
                 data.frames lower to use them";
    let long =
        "1 clip of the train split has more than 12 frames, of which the first 12 are used (train/nod/long has 15)";
    assert_eq!(told, [(short, true), (long, false)]);

    let error = folder(place.path(), 16).train_validation().unwrap_err().to_string();
    assert!(
        error.contains("has no clip that is long enough: 8 clips of the train split have fewer than 16"),
        "{error}"
    );
}

#[test]
fn what_is_not_used_is_named_and_a_torn_frame_loses_its_clip() {
    let place = tempfile::tempdir().unwrap();
    splits(place.path());
    write(place.path().join("train/wave/loose.png"), &plain(7));
    write(place.path().join("train/wave/clip1/notes.txt"), b"x");
    write(place.path().join("train/wave/clip2/frame3.png"), &plain(7)[..40]);
    write(place.path().join("train/wave/clip2/frame5.png"), b"x");
    let read = folder(place.path(), 12).train_validation().unwrap().train;
    assert_eq!((read.set.len(), read.unreadable.len()), (5, 1));
    assert!(read.unreadable[0].to_string().contains("frame3.png"), "{}", read.unreadable[0]);
    let told: Vec<_> = read.remarks.iter().map(|remark| &*remark.what).collect();
    let loose = "1 picture is not used, being in the folder of no clip (train/wave/loose.png)";
    assert_eq!(told, [loose, "1 other file is not used (train/wave/clip1/notes.txt)"]);
}

#[test]
fn names_of_clips_share_them_out_where_no_folder_does() {
    let place = tempfile::tempdir().unwrap();
    for class in ["test", "wave"] {
        (0..60).for_each(|i| clip(place.path().join(class).join(format!("clip{i}")), i, 2));
    }
    let source = folder(place.path(), 2);
    let read = source.train_validation().unwrap();
    let test = source.test().unwrap();
    // A class may be called `test`: no class folders lie in it, but clips.
    assert_eq!(read.train.class_names, ["test", "wave"]);
    let counts = [read.train.set.len(), read.validation.set.len(), test.set.len()];
    assert!(counts.iter().sum::<usize>() == 120 && counts[1..].iter().all(|n| (3..30).contains(n)), "{counts:?}");
    // No clip is torn apart, and none is in two splits.
    let mut all: Vec<_> = [&read.train, &read.validation, &test].into_iter().flat_map(levels).collect();
    assert!(all.iter().all(|(_, frames)| frames[1] == frames[0] + 1));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 120);
    let (whole, is_whole) = source.read_whole(Split::Test).unwrap();
    assert!(is_whole && whole.set.len() == 120);
}

#[test]
fn folders_without_clips_say_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let refuse = |place: &Path| folder(place, 2).train_validation().unwrap_err().to_string();
    assert!(
        refuse(place.path()).contains("has no class folders; make a folder for each class, and in it one for each")
    );
    for class in ["nod", "wave"] {
        write(place.path().join(class).join("frame1.png"), &plain(1));
    }
    let error = refuse(place.path());
    assert!(error.contains("has no clips in its class folders: no folders with PNG or JPEG files"), "{error}");
}

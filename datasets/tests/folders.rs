//! Folders of pictures as people arrange them: names of splits, folders in folders, and what is not used.

mod common;

use std::fs;
use std::path::Path;

use datasets::{Fit, Folder, Preparation, Source, Split};

use common::{plain, write};

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

fn folder(path: &Path) -> Folder {
    let preparation = Preparation { channels: 1, height: 4, width: 4, fit: Fit::Pad, invert: false };
    Folder { path: path.to_owned(), preparation, seed: 1 }
}

/// So many pictures of each of the two classes.
fn two(place: &Path, count: usize) {
    for i in 0..count {
        for (class, level) in [("a", 10), ("b", 200)] {
            write(place.join(class).join(format!("{i}.png")), &plain(level));
        }
    }
}

/// What is remarked on the training split: the text, and whether strict users refuse it.
fn remarks(folder: &Folder) -> Vec<(String, bool)> {
    let read = folder.train_validation().unwrap().train;
    read.remarks.into_iter().map(|remark| (remark.what, remark.is_fault)).collect()
}

#[test]
fn a_split_has_several_names_in_any_case() {
    for (train, validation) in [("train", "val"), ("Train", "VALID"), ("training", "dev"), ("TRAIN", "Validation")] {
        let place = tempfile::tempdir().unwrap();
        two(&place.path().join(train), 30);
        two(&place.path().join(validation), 3);
        let folder = folder(place.path());
        let files = folder.files(Split::Validation).unwrap();
        assert!(files.len() == 6 && files.iter().all(|file| file.path.starts_with(place.path().join(validation))));
        assert_eq!(remarks(&folder), []);
        // The test split is taken from training, since no folder holds it.
        assert!(folder.files(Split::Test).unwrap().iter().all(|file| file.path.starts_with(place.path().join(train))));
    }
}

#[test]
fn two_folders_for_one_split_and_a_split_without_training_are_refused() {
    let place = tempfile::tempdir().unwrap();
    two(&place.path().join("train"), 3);
    two(&place.path().join("val"), 3);
    two(&place.path().join("dev"), 3);
    let error = folder(place.path()).read(Split::Train).unwrap_err().to_string();
    assert!(error.contains("val and ") && error.contains("dev both hold the validation split"), "{error}");

    let place = tempfile::tempdir().unwrap();
    two(place.path(), 3);
    two(&place.path().join("test"), 3);
    let error = folder(place.path()).read(Split::Train).unwrap_err().to_string();
    assert!(error.contains("test has folders in it") && error.contains("no folder `train`"), "{error}");
}

#[test]
fn train_is_a_class_unless_class_folders_lie_in_it() {
    let place = tempfile::tempdir().unwrap();
    for i in 0..20 {
        write(place.path().join(format!("bus/{i}.png")), &plain(1));
        write(place.path().join(format!("train/{i}.png")), &plain(2));
    }
    let folder = folder(place.path());
    assert_eq!(folder.class_names().unwrap(), ["bus", "train"]);
    let told = "train is read as a class: it would be a split if class folders lay in it".to_owned();
    assert_eq!(remarks(&folder), [(told, false)]);
    assert_eq!(SPLITS.map(|split| folder.files(split).unwrap().len()).iter().sum::<usize>(), 40);

    fs::remove_dir_all(place.path().join("bus")).unwrap();
    let error = folder.class_names().unwrap_err().to_string();
    assert!(error.contains("the one class `train`") && error.contains("class folders lay in it"), "{error}");
}

#[test]
fn folders_in_class_folders_are_read_and_links_upwards_are_not() {
    let place = tempfile::tempdir().unwrap();
    two(place.path(), 20);
    let before = folder(place.path()).files(Split::Train).unwrap().len();
    for i in 0..20 {
        write(place.path().join(format!("a/2024/may/{i}.png")), &plain(10));
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.path().join("a"), place.path().join("a/2024/round")).unwrap();
    let folder = folder(place.path());
    let all: Vec<_> = SPLITS.iter().flat_map(|&split| folder.files(split).unwrap()).collect();
    assert_eq!(all.len(), 60);
    let deep = all.iter().filter(|file| file.split == Split::Train && file.path.to_string_lossy().contains("may"));
    let shallow = folder.files(Split::Train).unwrap().len() - deep.count();
    assert_eq!(shallow, before, "the others stay in their splits");
    #[cfg(unix)]
    assert!(remarks(&folder)[0].0.starts_with("1 folder is not used"), "{:?}", remarks(&folder));
}

#[test]
fn what_is_not_used_is_named_and_counted() {
    let place = tempfile::tempdir().unwrap();
    two(&place.path().join("train"), 20);
    for i in 0..5 {
        write(place.path().join(format!("train/a/{i}.webp")), b"RIFF");
    }
    write(place.path().join("train/b/x.BMP"), b"BM");
    write(place.path().join("train/b/notes\x1b[31m.txt"), b"");
    write(place.path().join("train/loose.png"), &plain(3));
    write(place.path().join("above.jpg"), b"");
    write(place.path().join("other/c/1.png"), &plain(3));
    // What systems leave there is no news.
    for name in ["train/a/.DS_Store", "train/a/Thumbs.db", "__MACOSX/a/1.png"] {
        write(place.path().join(name), b"");
    }
    let found = remarks(&folder(place.path()));
    let faults: Vec<&str> = found.iter().filter(|(_, is_fault)| *is_fault).map(|(what, _)| what.as_str()).collect();
    assert_eq!(
        faults,
        [
            "1 file in the format .bmp is not read (train/b/x.BMP); save as PNG or JPEG",
            "5 files in the format .webp are not read (train/a/0.webp, train/a/1.webp, train/a/2.webp and 2 more); save as PNG or \
             JPEG",
            "2 pictures are not used, being in no class folder (above.jpg, train/loose.png)",
            "1 folder is not used, being neither a split with class folders nor a class (other)",
        ]
    );
    let notes: Vec<_> = found.iter().filter(|(_, is_fault)| !is_fault).collect();
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].0, r"1 other file is not used (train/b/notes\u{1b}[31m.txt)");
}

#[test]
fn classes_without_a_usable_training_picture_are_told_with_the_reason() {
    let place = tempfile::tempdir().unwrap();
    two(place.path(), 40);
    fs::create_dir(place.path().join("empty")).unwrap();
    write(place.path().join("lost/.keep"), b"");
    // A name that brings the picture into another split.
    let elsewhere = |name: &String| {
        let path = place.path().join("lost").join(name);
        write(path.clone(), &plain(9));
        let found = folder(place.path()).files(Split::Train).unwrap().iter().all(|file| file.path != path);
        fs::remove_file(&path).unwrap();
        found
    };
    let name = (0..999).map(|i| format!("{i}.png")).find(elsewhere).unwrap();
    write(place.path().join("lost").join(name), &plain(9));
    for i in 0..20 {
        write(place.path().join(format!("torn/{i}.png")), b"\x89PNG\r\n\x1a\n");
    }
    let folder = folder(place.path());
    let torn = folder.files(Split::Train).unwrap().iter().filter(|file| file.label == 4).count();
    assert_eq!(folder.class_names().unwrap(), ["a", "b", "empty", "lost", "torn"]);
    assert_eq!(
        remarks(&folder),
        [(
            format!(
                "3 classes have no usable training picture: empty (no picture at all), lost (1 picture, none of them for training), \
                 torn ({torn} pictures, none of which can be read)"
            ),
            true
        )]
    );
    let test = folder.test().unwrap();
    assert!(test.remarks.iter().all(|remark| !remark.is_fault), "{:?}", test.remarks);
}

#[test]
fn a_foreign_folder_is_read_whole_unless_it_has_the_split() {
    let place = tempfile::tempdir().unwrap();
    two(place.path(), 40);
    let (read, is_whole) = folder(place.path()).read_whole(Split::Test).unwrap();
    assert!(is_whole && read.set.len() == 80, "{}", read.set.len());

    let place = tempfile::tempdir().unwrap();
    two(&place.path().join("train"), 20);
    two(&place.path().join("test"), 7);
    let (read, is_whole) = folder(place.path()).read_whole(Split::Test).unwrap();
    assert!(!is_whole && read.set.len() == 14, "{}", read.set.len());

    // A single class suffices there.
    let place = tempfile::tempdir().unwrap();
    write(place.path().join("a/1.png"), &plain(3));
    assert_eq!(folder(place.path()).read_whole(Split::Test).unwrap().0.set.labels, [0]);
}

#[test]
fn a_survey_that_finds_nothing_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for i in 0..20 {
            write(place.path().join(class).join(format!("{i}.jpg")), b"nothing");
        }
    }
    let error = folder(place.path()).headers(10).unwrap_err().to_string();
    assert!(
        error.contains("no readable picture among its first 10") && error.contains("neither PNG nor JPEG"),
        "{error}"
    );
}

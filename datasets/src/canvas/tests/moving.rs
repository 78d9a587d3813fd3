//! Clips: canvases that move, and sources that do.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each frame alone is the frame of the clip, the first one is the canvas that does not move, and the digit is in its box.
    #[test]
    fn clips_are_made_of_their_frames(
        seed: u64, room in [0usize..40, 0usize..300], clutter in 0usize..6, frames in 1usize..30, low in 0.5f64..1.0
    ) {
        let source = digits();
        let scale = Scale { low, high: 1.0 };
        let [height, width] = room.map(|room| 28 + room);
        let canvas = Canvas { height, width, placement: Placement::Moving, clutter, scale, frames };
        canvas.validate(&source.images).unwrap();
        let (key, len) = (Key { seed, ..KEY }, canvas.len(1));
        let (mut clip, mut boxes) = (vec![1; frames * len], vec![DigitBox::default(); frames]);
        canvas.draw_frames(&source, 1, key, &mut clip, &mut boxes);

        let mut still = vec![0; len];
        let place = Canvas { placement: Placement::Translated, frames: 1, ..canvas }.draw(&source, 1, key, &mut still);
        prop_assert_eq!((place, &still[..]), (boxes[0], &clip[..len]));
        for (frame, (out, place)) in clip.chunks_exact(len).zip(&boxes).enumerate() {
            let mut alone = vec![2; len];
            prop_assert_eq!(canvas.draw_frame(&source, 1, key, frame, &mut alone), *place);
            prop_assert!(alone == out, "frame {frame}");
            prop_assert!(place.x + place.width <= width as u32 && place.y + place.height <= height as u32);
            prop_assert_eq!([place.width, place.height], [boxes[0].width, boxes[0].height]);
            // Whatever lies on it, the digit is as bright as it was, or brighter.
            let mut digit = vec![0; len];
            let fixed = Canvas { clutter: 0, ..canvas };
            prop_assert_eq!(fixed.draw_frame(&source, 1, key, frame, &mut digit), *place);
            prop_assert!(out.iter().zip(&digit).all(|(all, digit)| all >= digit));
            let rows = fixed.layout(1).to_rows(&digit).into_owned();
            let [x, y, w, h] = [place.x, place.y, place.width, place.height].map(|n| n as usize);
            let inside = |i: usize| (y..y + h).contains(&(i / width)) && (x..x + w).contains(&(i % width));
            prop_assert!(rows.iter().enumerate().all(|(i, &pixel)| pixel == 0 || inside(i)));
            prop_assert!(rows.iter().any(|&pixel| pixel > 0));
        }
        // Between two frames, nothing is farther than the speed allows.
        for pair in boxes.windows(2) {
            let [dx, dy] = [pair[0].x.abs_diff(pair[1].x), pair[0].y.abs_diff(pair[1].y)];
            prop_assert!(dx <= 5 && dy <= 5, "{:?}", pair);
        }
    }
}

/// Recorded once: another machine, or another version, must draw the same bytes.
#[test]
fn moving_canvases_are_the_recorded_ones() {
    use sha2::{Digest, Sha256};
    let canvas =
        Canvas { height: 60, width: 60, placement: Placement::Moving, clutter: 4, frames: 20, ..Canvas::MNIST };
    let source = std::sync::Arc::new(crate::digits::generate(1, crate::Split::Test, 50));
    let clips = Drawn::new(source, canvas, EVALUATION_SEED, Purpose::TestCanvas).unwrap();
    let mut batch = crate::Batch::default();
    clips.draw(0..50, &mut batch);
    assert_eq!((batch.len(), batch.frames, batch.pixels.len(), batch.boxes.len()), (50, 20, 20 * 50 * 3600, 1000));
    let mut hash = Sha256::new_with_prefix(&batch.pixels);
    batch.boxes.iter().for_each(|place| hash.update([place.x as u8, place.y as u8]));
    assert_eq!(crate::idx::hex(&hash.finalize()), "0098f405ad3eb5233ea1e5043ae7c2da680bfa21b9bddab50a3813cddfb669ed");

    // Any part of the set is the same part of all clips, for each frame.
    let mut part = crate::Batch::default();
    clips.draw(7..10, &mut part);
    for frame in 0..20 {
        assert_eq!(part.frame(frame), &batch.frame(frame)[7 * 3600..10 * 3600]);
        assert_eq!(part.frame_boxes(frame), &batch.frame_boxes(frame)[7..10]);
    }
    assert_eq!((&part.labels[..], &part.samples[..]), (&batch.labels[7..10], &[7, 8, 9][..]));
    // In the long run the digit comes everywhere.
    let boxes = &batch.boxes;
    assert!(boxes.iter().any(|place| place.x == 0) && boxes.iter().any(|place| place.x == 32));
    assert!(boxes.iter().any(|place| place.y == 0) && boxes.iter().any(|place| place.y == 32));
}

#[test]
fn clips_of_a_source_are_shown_frame_by_frame() {
    let pixels: Vec<u8> = (0..2 * 3 * 16).collect();
    let source = Labelled::new(Images::clips(pixels.clone(), 3, 1, 4, 4).unwrap(), vec![0; 2], 1).unwrap();
    let canvas = Canvas { height: 4, width: 4, frames: 3, ..Canvas::MNIST };
    let (mut clip, mut boxes) = (vec![0; 48], [DigitBox::default(); 3]);
    canvas.draw_frames(&source, 1, KEY, &mut clip, &mut boxes);
    assert_eq!((&clip[..], boxes), (&pixels[48..], [DigitBox { x: 0, y: 0, width: 4, height: 4 }; 3]));

    let refuse = |canvas: Canvas| canvas.validate(&source.images).unwrap_err().to_string();
    assert!(refuse(Canvas { frames: 2, ..canvas }).contains("found 2 frames, expected 3"));
    assert!(refuse(Canvas { frames: 0, ..canvas }).contains("number of frames is out of range: found 0 frames"));
    assert!(refuse(Canvas { frames: 4097, ..canvas }).contains("from 1 to 4096"));
}

//! The figures as a reader would check them: where things lie, what they look like, what the files hold.

use std::io::Cursor;

use super::animation::Words;
use super::look::{Captions, look};
use super::palette::{BLUE, Colour, GREEN, RED, SKY};
use super::parts::{self, Mark};
use super::scene::{Align, Bitmap, Rect, Scene, Shape, Stroke};
use super::sheet::sheet;
use super::text::Weight;
use super::{Format, animation, check_gif, raster, svg};
use crate::evaluate::trace::{Glimpse, Trace, Window};

/// Two glimpses of 2×2 at two scales on an image of 6×4, at given locations and windows; the answer is 1.
fn trace(label: Option<usize>) -> Trace {
    let glimpse = |location, [x, y]: [i64; 2], probabilities: [f64; 2]| Glimpse {
        location,
        windows: vec![Window { x: x + 1, y: y + 1, side: 2 }, Window { x, y, side: 4 }],
        rho: vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        gains: vec![1.0; 2],
        probabilities: probabilities.to_vec(),
        baseline: Some(0.25),
        ..Glimpse::default()
    };
    Trace {
        index: 7,
        pictures: vec![(0..24).map(|at| 10 * at).collect()],
        channels: 1,
        height: 4,
        width: 6,
        label,
        won: None,
        glimpses: vec![glimpse([-1.0, -1.0], [-2, -2], [0.75, 0.25]), glimpse([0.5, 1.0], [2, 2], [0.25, 0.75])],
    }
}

fn captions() -> Captions {
    Captions { title: "A <title> & more".into(), subtitle: "below".into(), classes: vec!["no".into(), "yes".into()] }
}

fn game() -> Trace {
    let glimpse = |x: i64| Glimpse {
        windows: vec![Window { x, y: 1, side: 2 }, Window { x: x - 1, y: 0, side: 4 }],
        probabilities: vec![0.1, 0.2, 0.7],
        baseline: Some(0.5),
        action: Some(2),
        ..Glimpse::default()
    };
    let screen = |x: i64| (0..64).map(|at| if at == 8 + x { 255 } else { 0 }).collect();
    Trace {
        index: 0,
        pictures: (0..3).map(screen).chain([vec![255; 64]]).collect(),
        channels: 1,
        height: 8,
        width: 8,
        label: None,
        won: Some(false),
        glimpses: (0..3).map(glimpse).collect(),
    }
}

/// The size and the pixels of a PNG file, [height, width, 3].
fn decoded(bytes: &[u8]) -> ([usize; 2], Vec<u8>) {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    ([info.width as usize, info.height as usize], pixels)
}

/// Lines, discs and rings of a colour.
fn of_colour(scene: &Scene, wanted: Colour) -> Vec<&Shape> {
    let is = |shape: &&Shape| match shape {
        Shape::Line { stroke, .. } => stroke.colour == wanted,
        Shape::Circle { fill, stroke, .. } => *fill == Some(wanted) || stroke.is_some_and(|s| s.colour == wanted),
        _ => false,
    };
    scene.shapes.iter().filter(is).collect()
}

fn texts(scene: &Scene) -> Vec<&str> {
    fn text(shape: &Shape) -> Option<&str> {
        if let Shape::Text { text, .. } = shape { Some(text) } else { None }
    }
    scene.shapes.iter().filter_map(text).collect()
}

/// Elements open and close in order; attributes are quoted; what stands between is escaped.
fn check_xml(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a bare > in {}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("an unclosed tag");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    for (at, _) in text.match_indices('&') {
        assert!(["&lt;", "&gt;", "&amp;", "&quot;"].iter().any(|entity| text[at..].starts_with(entity)));
    }
}

#[test]
fn a_right_path_is_green_and_solid_a_wrong_one_red_and_dashed() {
    for (label, colour, dashed, says) in
        [(Some(1), GREEN, false, "✓ yes"), (Some(0), RED, true, "✗ yes"), (None, SKY, false, "yes")]
    {
        let scene = look(&[trace(label)], &captions());
        // The first three are the path's, the legend's follow.
        let drawn = of_colour(&scene, colour);
        let Shape::Line { points, stroke } = drawn[0] else { panic!("{drawn:?}") };
        assert_eq!(stroke.dash.is_some(), dashed);
        // The image of 6×4 fills the width of its square and two thirds of the height, in the middle.
        let Some(Shape::Image { rect, .. }) = scene.shapes.iter().find(|shape| matches!(shape, Shape::Image { .. }))
        else {
            panic!("no image")
        };
        assert!((rect.height / rect.width - 4.0 / 6.0).abs() < 1e-9);
        assert_eq!(points[0], [rect.x, rect.y], "(−1, −1) is the upper left corner");
        assert_eq!(points[1], [rect.x + 0.75 * rect.width, rect.bottom()]);
        assert!(
            matches!(drawn[1], Shape::Circle { centre, fill: Some(_), .. } if *centre == points[0]),
            "first: filled"
        );
        assert!(matches!(drawn[2], Shape::Circle { centre, fill: None, .. } if *centre == points[1]), "last: open");
        let texts = texts(&scene);
        assert!(texts.contains(&says), "{texts:?}");
        assert_eq!(texts.contains(&"it is no"), label == Some(0));
        assert_eq!(texts.contains(&"wrong"), label.is_some(), "the legend says what there is");
        for said in ["yes", " 75 %", "b 0.25", "glimpse 2", "A <title> & more"] {
            assert!(texts.contains(&said), "{said} in {texts:?}");
        }
    }
}

#[test]
fn no_text_leaves_the_page_and_none_covers_another() {
    let mut long = captions();
    long.classes = vec!["a class of quite a long name".into(), "another one, longer than any image is wide".into()];
    let many = Trace { glimpses: vec![trace(None).glimpses[0].clone(); 19], ..trace(Some(1)) };
    let categories: Vec<String> = (0..60).map(|class| format!("category number {class:02}")).collect();
    let mut sixty = trace(Some(59));
    sixty
        .glimpses
        .iter_mut()
        .for_each(|glimpse| glimpse.probabilities = (1..61).map(|i| f64::from(i) / 1830.0).collect());
    for (traces, captions) in [
        (vec![trace(Some(0)), trace(Some(1)), trace(None)], captions()),
        (vec![trace(Some(0)), trace(Some(1))], long),
        (vec![many], captions()),
        (
            vec![sixty],
            Captions { title: "a-run-with-a-name-without-an-end".repeat(4), classes: categories, ..captions() },
        ),
    ] {
        let scene = look(&traces, &captions);
        let mut boxes: Vec<(Rect, &str)> = Vec::new();
        for shape in &scene.shapes {
            let Shape::Text { at, align, text, size, weight, .. } = shape else { continue };
            let [x, y] = Shape::text_start(*at, *align, text, *size, *weight);
            let rect = Rect::new(x, y - 0.75 * size, super::text::font(*weight).width(text, *size), 0.8 * size);
            assert!(rect.x >= 0.0 && rect.right() <= scene.width && rect.bottom() <= scene.height, "{text}: {rect:?}");
            for (other, of) in &boxes {
                let apart = rect.x >= other.right() - 0.01
                    || other.x >= rect.right() - 0.01
                    || rect.y >= other.bottom()
                    || other.y >= rect.bottom();
                assert!(apart || text.is_empty(), "{text:?} covers {of:?}");
            }
            if !text.is_empty() {
                boxes.push((rect, text));
            }
        }
        check_xml(&svg::svg(&scene));
    }
}

#[test]
fn a_glimpse_is_fine_in_the_middle_and_coarse_around() {
    let seen = parts::seen(&trace(None).glimpses[0], 1);
    let level = |x: f32| (255.0 * f64::from(x)).round() as u8;
    let (a, b, c, d) = (level(0.5), level(0.6), level(0.7), level(0.8));
    let fine = [0.1, 0.2, 0.3, 0.4].map(level);
    #[rustfmt::skip]
    assert_eq!(seen.pixels, [
        a, a,       b,       b,
        a, fine[0], fine[1], b,
        c, fine[2], fine[3], d,
        c, c,       d,       d,
    ]);
    assert_eq!([seen.width, seen.height], [4, 4]);
    let mut brighter = trace(None).glimpses[0].clone();
    brighter.gains = vec![2.0, 1.25];
    let seen = parts::seen(&brighter, 1);
    assert_eq!([seen.pixels[5], seen.pixels[6], seen.pixels[0], seen.pixels[3]], [51, 102, level(0.625), level(0.75)]);
    let mut colour = trace(None).glimpses[0].clone();
    colour.rho = (0..24).map(|at| at as f32 / 255.0).collect();
    let seen = parts::seen(&colour, 3);
    assert_eq!((seen.rgb(0, 0), seen.rgb(1, 1), seen.rgb(3, 3)), ([4, 12, 20], [0, 8, 16], [7, 15, 23]));
}

#[test]
fn windows_are_drawn_where_the_pixels_were_read_and_cut_at_the_image() {
    let on = Rect::new(100.0, 50.0, 60.0, 40.0);
    let window = Window { x: 1, y: 2, side: 2 };
    let rect = parts::window_rect(on, [6, 4], &window);
    assert_eq!(rect, Rect::new(110.0, 70.0, 20.0, 20.0));
    let drawn = |rect: Rect| {
        let mut scene = Scene::new(200.0, 200.0, "");
        parts::clipped_outline(&mut scene, rect, on, &[Stroke::solid(BLUE, 1.0)]);
        scene.shapes
    };
    assert_eq!(drawn(rect), [Shape::Rect { rect, fill: None, stroke: Some(Stroke::solid(BLUE, 1.0)) }]);
    // Over the upper left corner: its right and lower edge alone.
    let lines = drawn(parts::window_rect(on, [6, 4], &Window { x: -1, y: -1, side: 2 }));
    let all: Vec<_> =
        lines.iter().flat_map(|s| if let Shape::Line { points, .. } = s { points.clone() } else { panic!() }).collect();
    assert!(all.iter().all(|[x, y]| *x <= 110.0 && *y <= 60.0 && *x >= 100.0 && *y >= 50.0), "{all:?}");
    assert!(all.contains(&[110.0, 50.0]) && all.contains(&[110.0, 60.0]) && all.contains(&[100.0, 60.0]));
    assert!(drawn(parts::window_rect(on, [6, 4], &Window { x: 90, y: 0, side: 2 })).is_empty());
    // The whole image lies in it.
    assert!(drawn(parts::window_rect(on, [6, 4], &Window { x: -5, y: -5, side: 20 })).is_empty());
}

#[test]
fn svg_and_png_are_the_same_picture() {
    let mut scene = Scene::new(40.0, 300.0, "<&>\"\u{1}");
    scene.fill(Rect::new(4.0, 4.0, 8.0, 8.0), GREEN);
    scene.outline(Rect::new(20.0, 4.0, 8.0, 8.0), Stroke::solid(RED, 2.0));
    scene.disc([8.0, 200.0], 4.0, BLUE);
    scene.ring([24.0, 200.0], 4.0, Stroke::solid(RED, 2.0));
    scene.line(&[[2.0, 260.0], [38.0, 260.0]], Stroke { dash: Some([6.0, 6.0]), ..Stroke::solid(GREEN, 4.0) });
    let bitmap = Bitmap { pixels: vec![10, 20, 30, 40, 50, 60], channels: 1, height: 2, width: 3 };
    scene.image(Rect::new(4.0, 122.0, 12.0, 8.0), bitmap.clone());
    let colour = Bitmap { pixels: vec![1, 2, 3, 4, 5, 6], channels: 3, height: 1, width: 2 };
    scene.image(Rect::new(20.0, 122.0, 4.0, 2.0), colour);
    let style = super::scene::Type { size: 20.0, weight: Weight::Bold, colour: BLUE };
    scene.text([20.0, 290.0], Align::Centre, "I", style);

    let ([width, height], pixels) = decoded(&raster::png(&scene, 2.0));
    assert_eq!([width, height], [80, 600]);
    let at = |x: f64, y: f64| {
        let at = 3 * ((2.0 * y) as usize * width + (2.0 * x) as usize);
        [pixels[at], pixels[at + 1], pixels[at + 2]]
    };
    let white = [255; 3];
    assert_eq!([at(4.0, 4.0), at(11.5, 11.5), at(12.0, 12.0)], [GREEN.rgb, GREEN.rgb, white]);
    assert_eq!([at(19.0, 8.0), at(20.5, 8.0), at(24.0, 8.0)], [RED.rgb, RED.rgb, white]);
    assert_eq!([at(8.0, 200.0), at(24.0, 200.0), at(27.8, 200.0)], [BLUE.rgb, white, RED.rgb]);
    assert_eq!([at(5.0, 260.0), at(11.0, 260.0), at(17.0, 260.0)], [GREEN.rgb, white, GREEN.rgb]);
    // Nearest neighbours: 4×4 units a pixel, over the border of two bands (at 128 units).
    for (i, level) in [10_u8, 20, 30, 40, 50, 60].into_iter().enumerate() {
        let (x, y) = (4.0 + 4.0 * (i % 3) as f64, 122.0 + 4.0 * (i / 3) as f64);
        for (dx, dy) in [(0.0, 0.0), (3.5, 0.0), (0.0, 3.5), (3.5, 3.5)] {
            assert_eq!(at(x + dx, y + dy), [level; 3], "{i}");
        }
    }
    assert_eq!([at(20.0, 122.0), at(23.5, 123.5)], [[1, 3, 5], [2, 4, 6]]);
    assert_eq!(at(20.0, 283.0), BLUE.rgb, "the stem of the letter");
    assert_eq!(raster::rgb(&scene, 2.0), pixels);

    let text = svg::svg(&scene);
    check_xml(&text);
    assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && !text.contains('\u{1}'));
    for part in [
        "<title>&lt;&amp;&gt;&quot;\u{fffd}</title>",
        "<rect x=\"4\" y=\"4\" width=\"8\" height=\"8\" fill=\"#009e73\"/>",
        "<circle cx=\"8\" cy=\"200\" r=\"4\" fill=\"#0072b2\"/>",
        "stroke-dasharray=\"6 6\"",
        "aria-label=\"I\"",
        "image-rendering:pixelated",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // The embedded image is the image.
    use base64::Engine;
    let data = text.split("base64,").nth(1).unwrap().split('"').next().unwrap();
    let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let mut reader = png::Decoder::new(Cursor::new(data)).read_info().unwrap();
    let mut levels = vec![0; 6];
    reader.next_frame(&mut levels).unwrap();
    assert_eq!(levels, bitmap.pixels);
}

#[test]
fn a_titled_shape_is_drawn_as_without_its_title() {
    let scene = |shapes: Vec<Shape>| Scene { shapes, ..Scene::new(20.0, 400.0, "titled") };
    let disc = |y| Shape::Circle { centre: [10.0, y], radius: 4.0, fill: Some(BLUE), stroke: None };
    let plain = scene(vec![disc(10.0), disc(300.0)]);
    let titled = scene(vec![Shape::Titled { title: "a & b".into(), shapes: plain.shapes.clone() }]);
    assert_eq!(raster::rgb(&titled, 1.0), raster::rgb(&plain, 1.0));
    let text = svg::svg(&titled);
    check_xml(&text);
    assert!(text.contains("<g><title>a &amp; b</title>\n<circle"), "{text}");
}

#[test]
fn in_a_page_text_is_text_and_colours_are_the_pages() {
    let mut scene = Scene::new(20.0, 20.0, "a page");
    scene.line(&[[1.0, 2.0], [3.0, 4.5]], Stroke { colour: RED, width: 1.5, dash: Some([7.0, 3.0]) });
    scene.disc([5.0, 6.0], 2.5, SKY);
    scene.text([7.0, 8.0], Align::Right, "a < b", parts::regular(10.0, BLUE));
    let elements = svg::elements(&scene.shapes);
    check_xml(&elements);
    assert_eq!(
        elements.lines().collect::<Vec<_>>(),
        [
            "<polyline points=\"1,2 3,4.5\" fill=\"none\" stroke-linejoin=\"round\" stroke=\"var(--c2)\" \
             stroke-width=\"1.5\" stroke-dasharray=\"7 3\"/>",
            "<circle cx=\"5\" cy=\"6\" r=\"2.5\" fill=\"#56b4e9\"/>",
            "<text x=\"7\" y=\"8\" text-anchor=\"end\" font-size=\"10\" fill=\"var(--c1)\">a &lt; b</text>",
        ]
    );
}

#[test]
fn a_contact_sheet_holds_every_image_and_its_class() {
    for count in [1_u8, 2, 10] {
        let images =
            (0..count).map(|i| (Bitmap { pixels: vec![i; 16], channels: 1, height: 4, width: 4 }, i.to_string()));
        let scene = sheet(images.collect(), "title", "below");
        let ([width, height], pixels) = decoded(&Format::Png.write(&scene));
        let mut found = 0;
        for shape in &scene.shapes {
            let Shape::Image { rect, bitmap } = shape else { continue };
            assert!(2.0 * rect.right() <= width as f64 && 2.0 * rect.bottom() <= height as f64);
            let (x, y) = ((rect.x + rect.right()) as usize, (rect.y + rect.bottom()) as usize);
            assert_eq!(pixels[3 * (y * width + x)], bitmap.pixels[0]);
            found += 1;
        }
        assert_eq!(found, count);
        assert!((0..count).all(|i| texts(&scene).contains(&i.to_string().as_str())));
    }
}

/// The frames of a GIF file as they are seen, [height, width, 3], and hundredths of a second.
fn frames(bytes: &[u8]) -> ([usize; 2], Vec<(Vec<u8>, u16)>) {
    let mut decoder = gif::DecodeOptions::new().read_info(bytes).unwrap();
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let palette = decoder.global_palette().unwrap().to_vec();
    assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    let (mut screen, mut all) = (vec![0; 3 * width * height], Vec::new());
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        for (i, &colour) in frame.buffer.iter().enumerate() {
            let (x, y) = (i % usize::from(frame.width), i / usize::from(frame.width));
            if Some(colour) != frame.transparent {
                let at = 3 * ((usize::from(frame.top) + y) * width + usize::from(frame.left) + x);
                screen[at..at + 3].copy_from_slice(&palette[3 * usize::from(colour)..][..3]);
            }
        }
        all.push((screen.clone(), frame.delay));
    }
    ([width, height], all)
}

#[test]
fn an_animation_of_images_ends_with_the_answer() {
    let classes = captions().classes;
    let bytes = animation::sequences(&[trace(Some(0)), trace(Some(1)), trace(None)], &classes, "three");
    let ([width, height], frames) = frames(&bytes);
    // Two glimpses, three parts of the way between them, the answer.
    assert_eq!(frames.iter().map(|(_, delay)| *delay).collect::<Vec<_>>(), [80, 5, 5, 5, 80, 260]);
    let near = |pixel: &[u8], Colour { rgb, .. }: Colour| pixel.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 4);
    let share = |frame: usize, left: bool, colour: Colour| {
        let of_half = |(at, pixel): (usize, &[u8])| {
            let (x, y) = (at % width, at / width);
            (x < width / 2) == left && y < height / 3 && near(pixel, colour)
        };
        frames[frame].0.chunks_exact(3).enumerate().filter(|&pair| of_half(pair)).count()
    };
    // The upper left image is wrong, the upper right one right.
    assert!(share(5, true, RED) > 30 && share(5, false, GREEN) > 30);
    assert_eq!([share(5, true, GREEN), share(5, false, RED)], [0, 0]);
    assert!(share(0, true, SKY) > 30 && share(5, true, SKY) == 0);
    assert!(frames.windows(2).all(|pair| pair[0].0 != pair[1].0), "every frame moves");
    assert!(bytes.len() < 60_000, "{}", bytes.len());
}

#[test]
fn an_animation_of_games_shows_every_frame_and_the_end() {
    let actions = ["left", "stay", "right"].map(str::to_owned);
    let words = Words { actions: &actions, outcomes: ["caught", "missed"] };
    let bytes = animation::games(&[game(), game()], &words, "games");
    let ([width, height], frames) = frames(&bytes);
    assert_eq!(frames.iter().map(|(_, delay)| *delay).collect::<Vec<_>>(), [14, 14, 14, 160]);
    // A screen of 8×8 lies 22 or 23 pixels a pixel from (12, 36) on; its middle is free of windows' lines at the end.
    let at = |frame: usize, x: usize, y: usize| frames[frame].0[3 * (y * width + x)];
    assert!(height > 200);
    assert_eq!(at(3, 100, 100), 255);
    assert_eq!(at(0, 150, 150), 0);
    assert!(bytes.len() < 30_000, "{}", bytes.len());
    let empty = animation::games(&[], &words, "none");
    assert_eq!(self::frames(&empty).1.len(), 1);
}

#[test]
fn extensions_say_what_a_picture_is() {
    let of = |name: &str| Format::of(name.as_ref());
    assert_eq!((of("a/b.png").unwrap(), of("b.SVG").unwrap()), (Format::Png, Format::Svg));
    for name in ["a.jpg", "a", ".png", "a.gif"] {
        let error = of(name).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(name), "{error}");
    }
    assert!(check_gif("a.gif".as_ref()).is_ok());
    assert_eq!(check_gif("a.png".as_ref()).unwrap_err().exit_code(), 2);
}

#[test]
fn a_path_of_nothing_is_nothing() {
    let mut scene = Scene::new(1.0, 1.0, "");
    parts::path(&mut scene, Rect::new(0.0, 0.0, 1.0, 1.0), &[], GREEN, false, Mark { width: 1.0, radius: 1.0 });
    assert!(scene.shapes.is_empty());
    look(&[], &captions());
    sheet(Vec::new(), "none", "");
    animation::sequences(&[], &[], "none");
}

#[test]
fn a_chosen_zoom_is_written_below_its_glimpse() {
    let texts = |trace: Trace| -> Vec<String> {
        let text = |shape: Shape| if let Shape::Text { text, .. } = shape { Some(text) } else { None };
        look(&[trace], &captions()).shapes.into_iter().filter_map(text).collect()
    };
    let mut zoomed = trace(Some(1));
    (zoomed.glimpses[0].zoom, zoomed.glimpses[1].zoom) = (Some(3), Some(0));
    zoomed.glimpses[1].baseline = None;
    let found = texts(zoomed);
    for expected in ["×8  b 0.25", "×1", "×2: twice as wide as the finest glimpse"] {
        assert!(found.iter().any(|text| text == expected), "no {expected} in {found:?}");
    }
    assert!(!texts(trace(Some(1))).iter().any(|text| text.contains('×')));
}

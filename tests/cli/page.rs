//! `ram page`

use std::fs;

use crate::place::{Place, TINY};

fn place() -> Place {
    Place::with_files(&[("tiny.toml", TINY)])
}

#[test]
fn a_page_with_the_usual_networks_is_small_and_says_what_was_rounded() {
    let place = place();
    let ended = place.ram("page");
    assert!(ended.succeeds().starts_with("page.html, ") && ended.out.contains("needs no network"), "{}", ended.out);
    assert!(ended.err.contains("cluttered-60-ram-8: its weights are rounded to 16 bits"), "{}", ended.err);
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert!(page.len() <= 3_000_000, "{}", page.len());
    for (name, rounded) in [("cluttered-60-ram-8", true), ("catch", false)] {
        assert!(page.contains(&format!("\"name\":\"{name}\",\"planes\":2,\"rounded\":{rounded},")), "{name}");
    }
}

#[test]
fn a_page_takes_runs_and_models_and_refuses_what_it_cannot_draw() {
    let place = place();
    place.ram("train --config tiny.toml --name a").succeeds();
    place.ram("train --config tiny.toml --name fc --set model.kind=fc").succeeds();
    let ended = place.ram("page a --pretrained mnist-ram-2 --out two.html");
    ended.succeeds();
    assert_eq!(ended.err, "", "nothing had to be rounded");
    let page = fs::read_to_string(place.path("two.html")).unwrap();
    assert!(
        page.contains("\"name\":\"a\"")
            && page.contains("\"name\":\"mnist-ram-2\"")
            && !page.contains("\"name\":\"catch\"")
    );
    place.ram("page fc").fails(
        2,
        &["fc: model.kind is fc, which sees the whole image at once; the page has digits and the game of Catch"],
    );
    place.ram("page --pretrained nothing").fails(4, &["nothing"]);
    place
        .ram("page --pretrained catch --pretrained catch")
        .fails(2, &["catch and catch play games, and a page has room for one"]);
    place.ram("page nowhere").fails(4, &["nowhere"]);
    place.ram("page a --out missing/page.html").fails(1, &["missing/page.html"]);
    assert!(!place.path("page.html").exists());
}

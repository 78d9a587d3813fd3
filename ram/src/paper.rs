//! The map from the paper to the code: for every equation, section, figure, table and footnote what computes it, and which test holds it.
//!
//! It is data. The README's table and `ram paper` are made from it, and a test fails when an item moves, when a test is renamed, or
//! when an equation is quoted in another place than the one that computes it.

/// A place of the paper.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As the paper calls it: `Eq. (2)`, `Sec. 3.1, Sensor`, `Fig. 1B`, `Table 1a`, `Footnote 1`.
    pub place: &'static str,
    /// What stands there.
    pub about: &'static str,
    /// The equation, as the code quotes it: once, in the first file of `code`.
    pub equation: Option<&'static str>,
    /// What computes it.
    pub code: &'static [Item],
    /// What holds it.
    pub tests: &'static [Test],
}

/// A line of the source.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// The file, from the repository's root.
    pub file: &'static str,
    /// Its text as it was compiled, if the file is one of this crate.
    text: Option<&'static str>,
    /// What the line holds, and no other line of the file.
    pub holds: &'static str,
}

/// A test.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// The file, from the repository's root.
    pub file: &'static str,
    /// The name of the function.
    pub name: &'static str,
}

impl Item {
    /// The number of the line, from 1; `None` for a file of another crate.
    pub fn line(&self) -> Option<usize> {
        self.text?.lines().position(|line| line.contains(self.holds)).map(|at| at + 1)
    }
}

/// A line of a file of this crate.
macro_rules! here {
    ($file:literal, $holds:literal) => {
        Item { file: concat!("ram/src/", $file), text: Some(include_str!($file)), holds: $holds }
    };
}

const fn there(file: &'static str, holds: &'static str) -> Item {
    Item { file, text: None, holds }
}

const fn test(file: &'static str, name: &'static str) -> Test {
    Test { file, name }
}

const ENUMERATION: &str = "tests/tests/enumeration.rs";
const FLOW: &str = "tests/tests/gradient_flow.rs";
const GOLDEN: &str = "tests/tests/golden.rs";
const RETINA: &str = "tests/tests/retina.rs";
const EXTRA: &str = "tests/tests/extra_actions.rs";

/// The map, in the order of the paper.
pub const ENTRIES: &[Entry] = &[
    Entry {
        place: "Sec. 3.1, Sensor",
        about: "the retina ρ(x, l)",
        equation: None,
        code: &[
            here!("model/retina.rs", "pub fn sense<'t, R: Real>("),
            here!("model/retina/crop.rs", "pub struct Crop<"),
        ],
        tests: &[
            test(RETINA, "the_pixels_that_change_a_glimpse_are_exactly_its_window"),
            test(GOLDEN, "whole_pixel_retina"),
        ],
    },
    Entry {
        place: "Fig. 1B, glimpse network",
        about: "f_g, from what is seen and where",
        equation: Some("gₜ = f_g(xₜ, lₜ₋₁)"),
        code: &[
            here!("model/agent.rs", "let g = self.glimpse.see("),
            here!("model/glimpse.rs", "let hg = rho.linear_then(self.retina"),
            here!("model/glimpse.rs", "let hl = location.linear_then(self.location"),
        ],
        tests: &[test(FLOW, "the_classification_term_reaches_what_sees_and_the_action_network")],
    },
    Entry {
        place: "Fig. 1C",
        about: "an iteration, and an episode of several",
        equation: Some("hₜ = f_h(hₜ₋₁, gₜ)"),
        code: &[here!("model/agent.rs", "pub fn look<'t, R: Real>(")],
        tests: &[test(GOLDEN, "f64_is_pytorch_to_1e_10")],
    },
    Entry {
        place: "Sec. 3.1, Actions",
        about: "the location and the action are drawn from distributions that the state gives",
        equation: Some("aₜ ∼ f_a(hₜ)"),
        code: &[
            here!("model/agent.rs", "fn act<'t, R: Real>("),
            here!("model/action.rs", "pub fn sample<'t, R: Real>("),
        ],
        tests: &[test(ENUMERATION, "pure_reinforce_estimates_the_gradient_of_the_expected_reward")],
    },
    Entry {
        place: "Sec. 3.1, Reward",
        about: "1 for the right class, else 0",
        equation: None,
        code: &[here!("model/action.rs", "pub fn reward<'t, R: Real>(")],
        tests: &[test(ENUMERATION, "pure_reinforce_estimates_the_gradient_of_the_expected_reward")],
    },
    Entry {
        place: "Eq. (1)",
        about: "REINFORCE",
        equation: Some("∇J ≈ 1/M Σᵢ Σₜ ∇ log π(uₜⁱ | s₁:ₜⁱ; θ) Rⁱ"),
        code: &[
            here!("reinforce.rs", "log_prob * (r - b).stop_gradient()"),
            here!("reinforce.rs", "BaselineKind::None => returns"),
        ],
        tests: &[
            test(ENUMERATION, "pure_reinforce_estimates_the_gradient_of_the_expected_reward"),
            test(FLOW, "the_location_gradient_is_unbiased_whatever_the_baseline"),
        ],
    },
    Entry {
        place: "Eq. (2)",
        about: "REINFORCE with a baseline",
        equation: Some("∇J ≈ 1/M Σᵢ Σₜ ∇ log π(uₜⁱ | s₁:ₜⁱ; θ) (Rₜⁱ − bₜ)"),
        code: &[
            here!("reinforce.rs", "log_prob * (r - b).stop_gradient()"),
            here!("reinforce.rs", "pub fn baselines<'t, R: Real>("),
        ],
        tests: &[
            test(ENUMERATION, "the_location_term_of_the_hybrid_loss_estimates_it_too"),
            test(FLOW, "pure_reinforce_is_unbiased_whatever_the_baseline"),
        ],
    },
    Entry {
        place: "Footnote 1",
        about: "discounted rewards",
        equation: None,
        code: &[
            here!("tasks/play.rs", "fn returns_to_go<"),
            here!("tasks/classify.rs", "fn gains_to_go<'t, R: Real>("),
        ],
        tests: &[test(FLOW, "early_answers_are_taught_and_gains_discounted")],
    },
    Entry {
        place: "Sec. 3.2, Variance Reduction",
        about: "the baseline bₜ, and the squared error by which it is learned",
        equation: None,
        code: &[
            here!("model/baseline.rs", "known.linear(self.linear)"),
            here!("reinforce.rs", "(r.stop_gradient() - b).square()"),
        ],
        tests: &[test(FLOW, "the_baseline_term_reaches_the_baseline_alone")],
    },
    Entry {
        place: "Sec. 3.2, Hybrid Supervised Loss",
        about: "cross entropy for the class, eq. (2) for the locations",
        equation: None,
        code: &[
            here!("tasks/classify.rs", "pub fn hybrid_loss<'t, R: Real>("),
            here!("losses.rs", "pub fn weigh<'t, R: Real>("),
        ],
        tests: &[
            test(FLOW, "the_location_term_reaches_the_location_network_and_through_a_switch_the_core"),
            test(ENUMERATION, "the_location_term_of_the_hybrid_loss_estimates_it_too"),
        ],
    },
    Entry {
        place: "Sec. 4, Retina and location encodings",
        about: "k patches of g × g numbers; (0, 0) is the centre, and ±1 are the edges",
        equation: Some("c = (l + 1)/2 · (W, H)"),
        code: &[here!("model/retina.rs", "fn start(&self, l: f64, scale: usize, extent: usize)")],
        tests: &[test(RETINA, "any_geometry")],
    },
    Entry {
        place: "Sec. 4, Glimpse network",
        about: "h_g, h_l of 128 rectifiers and g of 256",
        equation: Some("g = Rect(Linear(h_g) + Linear(h_l))"),
        code: &[here!("model/glimpse.rs", "linear_sum(&[(hg, self.from_retina), (hl, self.from_location)]")],
        tests: &[test(GOLDEN, "f64_is_pytorch_to_1e_10")],
    },
    Entry {
        place: "Sec. 4, Location network",
        about: "f_l is linear; a Gaussian of fixed variance around it",
        equation: Some("lₜ ∼ N(f_l(hₜ), σ²)"),
        code: &[
            here!("model/agent.rs", "let chosen = self.location.choose("),
            here!("model/location.rs", "sum + (constant - R::from_f64(0.5) * z * z)"),
        ],
        tests: &[test(RETINA, "the_gaussian_is_a_density"), test(FLOW, "the_mean_moves_toward_what_was_rewarded")],
    },
    Entry {
        place: "Footnote 2",
        about: "discrete locations on a grid",
        equation: None,
        code: &[here!("model/location.rs", "fn choose_point<'t, R: Real>(")],
        tests: &[test(ENUMERATION, "pure_reinforce_estimates_the_gradient_of_the_expected_reward")],
    },
    Entry {
        place: "Sec. 4, Core network",
        about: "f_h: rectifiers, and for games an LSTM",
        equation: Some("hₜ = Rect(Linear(hₜ₋₁) + Linear(gₜ))"),
        code: &[
            here!("model/core.rs", "linear_sum(&[(state.h, hidden), (g, glimpse)]"),
            there("autograd/src/ops/lstm.rs", "linear_sum(&[(x, self.input), (h, self.hidden)]"),
        ],
        tests: &[test(GOLDEN, "layers_agree_with_pytorch")],
    },
    Entry {
        place: "Sec. 4.1",
        about: "f_a, a linear softmax classifier at the last step",
        equation: Some("f_a(h) = exp(Linear(h))/Z"),
        code: &[here!("model/action.rs", "h.linear(self.linear)")],
        tests: &[test(FLOW, "the_classification_term_reaches_what_sees_and_the_action_network")],
    },
    Entry {
        place: "Sec. 4.1, random search",
        about: "learning rates and variances are found by random search",
        equation: None,
        code: &[here!("search/space.rs", "pub struct Dimension {")],
        tests: &[test("tests/cli/search.rs", "the_report_is_of_the_results_and_its_best_can_be_trained")],
    },
    Entry {
        place: "Sec. 4.1, Fig. 2",
        about: "translated and cluttered digits",
        equation: None,
        code: &[there("datasets/src/canvas.rs", "pub fn draw(")],
        tests: &[test("tests/cli/look.rs", "contact_sheets_of_every_canvas")],
    },
    Entry {
        place: "Tables 1 and 2, FC and Convolutional",
        about: "the networks that see the whole image",
        equation: None,
        code: &[here!("comparators.rs", "pub fn logits<'t, R: Real>(")],
        tests: &[test(GOLDEN, "layers_agree_with_pytorch")],
    },
    Entry {
        place: "Tables 1 and 2",
        about: "every row as a configuration, and our figures beside the paper's",
        equation: None,
        code: &[here!("experiments.rs", "pub const TABLES: ["), here!("tables/page.rs", "pub fn page(")],
        tests: &[test("tests/cli/reproduce.rs", "the_readme_has_the_tables_of_the_records")],
    },
    Entry {
        place: "Figures 3 to 6",
        about: "where it looks, and what it sees there",
        equation: None,
        code: &[here!("evaluate/trace.rs", "pub fn trace(&self, examples: &Examples")],
        tests: &[test("tests/cli/look.rs", "a_run_is_drawn")],
    },
    Entry {
        place: "Sec. 4.2",
        about: "the game of Catch, and the loss of a game",
        equation: None,
        code: &[
            here!("environments/catch.rs", "impl Environment for Catch {"),
            here!("tasks/play.rs", "pub fn play_loss<'t, R: Real>("),
        ],
        tests: &[test("tests/tests/play.rs", "the_estimate_is_the_gradient_of_the_expected_return")],
    },
    Entry {
        place: "Sec. 5, stop action",
        about: "the network may stop and classify at any time",
        equation: None,
        code: &[here!("model/stop.rs", "pub(super) fn choose(")],
        tests: &[test(EXTRA, "with_extra_actions_pure_reinforce_estimates_the_gradient_of_the_expected_reward")],
    },
    Entry {
        place: "Sec. 5, scale",
        about: "the network chooses at which scale it looks",
        equation: None,
        code: &[here!("model/zoom.rs", "pub(super) fn choose(")],
        tests: &[
            test(RETINA, "a_zoom_is_the_same_as_a_coarser_scale"),
            test(EXTRA, "with_extra_actions_the_hybrid_loss_estimates_it_too"),
        ],
    },
    Entry {
        place: "Sec. 5, extra actions",
        about: "they are simply added, and trained by the same rule",
        equation: Some("log π(sₜ, lₜ, zₜ) = log π(sₜ) + log π(lₜ) + log π(zₜ)"),
        code: &[here!("model/episode.rs", "pub fn choices(&self)")],
        tests: &[test(EXTRA, "each_image_counts_the_choices_that_it_had")],
    },
    Entry {
        place: "Sec. 5, video",
        about: "a new frame at each glimpse",
        equation: None,
        code: &[here!("model/world.rs", "pub struct Film<")],
        tests: &[test("tests/tests/clips.rs", "each_glimpse_is_of_its_own_frame")],
    },
    Entry {
        place: "Sec. 5, large scale object recognition",
        about: "pictures larger than a network could take: tiles, and a gain so that a small digit does not fade from coarse patches",
        equation: None,
        code: &[
            here!("model/options.rs", "gain * self.coarse"),
            there("datasets/src/layout.rs", "pub fn tiled("),
            here!("bench/edges.rs", "pub fn new(kind: ModelKind, edge: usize)"),
        ],
        tests: &[
            test(RETINA, "a_gain_of_a_patch_is_a_gain_of_its_weights"),
            test("tests/cli/extensions.rs", "the_time_of_an_answer_is_measured_and_drawn_by_the_edge"),
        ],
    },
];

/// The entry of this place, which the map has.
///
/// # Panics
/// If it has not.
pub fn entry(place: &str) -> &'static Entry {
    ENTRIES.iter().find(|entry| entry.place == place).unwrap_or_else(|| panic!("the map has no {place}"))
}

/// What people call a place that stands in the map with others.
const ALSO: &[(&str, &str)] = &[
    ("fig. 1", "Fig. 1C"),
    ("fig. 1a", "Sec. 3.1, Sensor"),
    ("fig. 2", "Sec. 4.1, Fig. 2"),
    ("fig. 3", "Figures 3 to 6"),
    ("fig. 4", "Figures 3 to 6"),
    ("fig. 5", "Figures 3 to 6"),
    ("fig. 6", "Figures 3 to 6"),
    ("table 1", "Tables 1 and 2"),
    ("table 1a", "Tables 1 and 2"),
    ("table 1b", "Tables 1 and 2"),
    ("table 2", "Tables 1 and 2"),
    ("table 2a", "Tables 1 and 2"),
    ("table 2b", "Tables 1 and 2"),
];

/// The letters and digits of a text, small, with the short names of places.
fn plain(text: &str) -> String {
    let small: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    [("equation", "eq"), ("section", "sec"), ("figure", "fig")]
        .iter()
        .fold(small, |text, (long, short)| text.replace(long, short))
}

/// The entries whose place or subject has these letters and digits in this order, whatever stands between: `eq. 2` finds `Eq. (2)`.
pub fn find(words: &str) -> Vec<&'static Entry> {
    let wanted = plain(words);
    if wanted.is_empty() {
        return Vec::new();
    }
    if let Some((_, place)) = ALSO.iter().find(|(also, _)| plain(also) == wanted) {
        return ENTRIES.iter().filter(|entry| entry.place.starts_with(place)).collect();
    }
    let places = || ENTRIES.iter().filter(|entry| plain(entry.place).contains(&wanted));
    if places().next().is_some() {
        return places().collect();
    }
    ENTRIES.iter().filter(|entry| plain(entry.about).contains(&wanted)).collect()
}

/// The map as a table in Markdown, with links to the files.
pub fn markdown() -> String {
    let mut text = "| paper | | code | held by |\n|---|---|---|---|\n".to_owned();
    for Entry { place, about, equation, code, tests } in ENTRIES {
        let name = |file: &str| file.rsplit('/').next().unwrap_or(file).to_owned();
        // A bar would end the cell.
        let equation = equation.map_or(String::new(), |equation| format!(": `{}`", equation.replace('|', "\\|")));
        let mut files: Vec<String> =
            code.iter().map(|item| format!("[`{}`]({})", name(item.file), item.file)).collect();
        let mut holds: Vec<String> =
            tests.iter().map(|test| format!("[`{}`]({})", name(test.file), test.file)).collect();
        files.dedup();
        holds.dedup();
        text += &format!("| {place} | {about}{equation} | {} | {} |\n", files.join(", "), holds.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_as_people_write_them() {
        assert_eq!(find("eq. 2")[0].place, "Eq. (2)");
        assert_eq!(find("Eq.(1)").len(), 1);
        assert_eq!(find("fig 1c")[0].place, "Fig. 1C");
        assert_eq!(find("catch")[0].place, "Sec. 4.2");
        // The examples of the command's help.
        assert!(["eq. 2", "fig. 1C", "table 1", "catch"].iter().all(|words| !find(words).is_empty()));
        assert_eq!((find("Figure 3")[0].place, find("table 2a").len()), ("Figures 3 to 6", 2));
        for (_, place) in ALSO {
            assert!(ENTRIES.iter().any(|entry| entry.place == *place), "{place}");
        }
        assert!(find("?").is_empty());
        for line in markdown().lines() {
            assert_eq!(line.replace("\\|", "").matches('|').count(), 5, "{line}");
        }
        assert!(find("sec. 5").len() > 3 && find("nothing like this").is_empty());
        assert!(entry("Eq. (2)").equation.is_some());
    }
}

//! Text in one embedded font, DejaVu Sans, so that a picture looks the same on every machine and in every format.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// The weight of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weight {
    /// For text.
    Regular,
    /// For titles.
    Bold,
}

/// A font: the widths and the outlines of its letters.
pub struct Font(Face<'static>);

/// The embedded font of this weight.
pub fn font(weight: Weight) -> &'static Font {
    static FONTS: LazyLock<[Font; 2]> = LazyLock::new(|| {
        [dejavu::sans::regular(), dejavu::sans::bold()]
            .map(|bytes| Font(Face::parse(bytes, 0).expect("an embedded font")))
    });
    &FONTS[weight as usize]
}

impl Font {
    /// The glyphs of a line of text with their positions, and the end of the line, in font units. A character that the font does not
    /// have is a box.
    pub fn line(&self, text: &str) -> (Vec<(GlyphId, f64)>, f64) {
        let mut end = 0.0;
        let glyphs = text.chars().map(|c| {
            let glyph = self.0.glyph_index(c).unwrap_or_default();
            let start = end;
            end += f64::from(self.0.glyph_hor_advance(glyph).unwrap_or(0));
            (glyph, start)
        });
        (glyphs.collect(), end)
    }

    /// The width of a line of text of this size.
    pub fn width(&self, text: &str, size: f64) -> f64 {
        self.line(text).1 * self.unit(size)
    }

    /// The length of a font unit in text of this size.
    pub fn unit(&self, size: f64) -> f64 {
        size / f64::from(self.0.units_per_em())
    }

    /// Draws the outline of a glyph, in font units with y upwards.
    pub fn outline(&self, glyph: GlyphId, builder: &mut dyn OutlineBuilder) {
        // A space has no outline.
        _ = self.0.outline_glyph(glyph, builder);
    }

    /// Breaks the text between words into lines that are no wider than `width`; a word that is wider has its own line.
    pub fn wrapped(&self, text: &str, size: f64, width: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}"), size) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }

    /// The text, cut short with an ellipsis if it is wider than `width`.
    pub fn fitted(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let cut = |chars: usize| text.chars().take(chars).chain(['…']).collect::<String>();
        let fits = |chars: &usize| self.width(&cut(*chars), size) <= width;
        cut((0..text.chars().count()).rev().find(fits).unwrap_or(0))
    }

    /// As [`Font::fitted`], but cut short in the middle, so that names with the same beginning differ still.
    pub fn squeezed(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let cut = |kept: usize| {
            let [head, tail] = [&letters[..kept.div_ceil(2)], &letters[letters.len() - kept / 2..]];
            let [head, tail] = [head, tail].map(|part| part.iter().collect::<String>());
            format!("{}…{}", head.trim_end(), tail.trim_start())
        };
        (0..letters.len()).rev().map(cut).find(|cut| self.width(cut, size) <= width).unwrap_or_else(|| "…".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_wide_as_its_letters() {
        for weight in [Weight::Regular, Weight::Bold] {
            let font = font(weight);
            assert_eq!(font.width("", 10.0), 0.0);
            assert!((font.width("aab", 10.0) - 2.0 * font.width("a", 10.0) - font.width("b", 10.0)).abs() < 1e-9);
            assert!((font.width("0", 20.0) - 2.0 * font.width("9", 10.0)).abs() < 1e-9, "digits are equally wide");
            for c in "hₜ ρ × ± σ μ ✓ ✗ ← → ● ○ … ² – é".chars() {
                assert_ne!(font.line(&c.to_string()).0[0].0, GlyphId(0), "{c} is missing");
            }
        }
        assert!(font(Weight::Bold).width("attention", 10.0) > font(Weight::Regular).width("attention", 10.0));
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let font = font(Weight::Regular);
        let text = "the first, the second and the incomprehensibilities, one after the other";
        let lines = font.wrapped(text, 8.0, 60.0);
        assert_eq!(lines.join(" "), text);
        assert!(lines.contains(&"incomprehensibilities,".to_owned()), "{lines:?}");
        for pair in lines.windows(2) {
            assert!(pair[0].starts_with("incompr") || font.width(&pair[0], 8.0) <= 60.0);
            let word = pair[1].split(' ').next().unwrap();
            assert!(font.width(&format!("{} {word}", pair[0]), 8.0) > 60.0, "{pair:?} are one line");
        }
        assert_eq!(font.wrapped(text, 8.0, 1e9), [text]);
    }

    #[test]
    fn long_names_are_cut_to_fit() {
        let font = font(Weight::Regular);
        let name = "a very long name of a class";
        assert_eq!(font.fitted(name, 8.0, 1000.0), name);
        let cut = font.fitted(name, 8.0, 40.0);
        assert!(cut.ends_with('…') && cut.starts_with("a ver") && font.width(&cut, 8.0) <= 40.0, "{cut}");
        assert_eq!(font.fitted(name, 8.0, 0.0), "…");

        assert_eq!(font.squeezed(name, 8.0, 1000.0), name);
        let cut = ["category number 07", "category number 08"].map(|name| font.squeezed(name, 8.0, 50.0));
        assert!(cut[0] != cut[1] && cut[0].starts_with("cat") && cut[0].ends_with("07"), "{cut:?}");
        assert!(font.width(&cut[0], 8.0) <= 50.0);
        assert_eq!(font.squeezed(name, 8.0, 0.0), "…");
    }
}

//! Colours that people with every kind of colour vision can tell apart (Okabe and Ito, "Color Universal Design", 2008). Whatever a
//! colour says, a dash, a fill or a shape says it too.

/// A colour with an opacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Red, green and blue, 0 to 255 each.
    pub rgb: [u8; 3],
    /// The opacity: 0 is invisible, 255 covers what lies below.
    pub alpha: u8,
}

impl Colour {
    /// An opaque colour, `0xRRGGBB`.
    pub const fn new(rgb: u32) -> Colour {
        Colour { rgb: [(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8], alpha: 255 }
    }

    /// The same colour with this opacity.
    pub const fn alpha(self, alpha: u8) -> Colour {
        Colour { alpha, ..self }
    }
}

/// Green, for right answers.
pub const GREEN: Colour = Colour::new(0x00_9e_73);
/// Vermilion, for wrong answers.
pub const RED: Colour = Colour::new(0xd5_5e_00);
/// Blue, for answers that are neither right nor wrong.
pub const BLUE: Colour = Colour::new(0x00_72_b2);
/// Light blue, for the same on black.
pub const SKY: Colour = Colour::new(0x56_b4_e9);
/// Yellow, for the finest patch.
pub const YELLOW: Colour = Colour::new(0xf0_e4_42);
/// Purple, for the third patch.
pub const PURPLE: Colour = Colour::new(0xcc_79_a7);
/// Orange, for the fourth patch.
pub const ORANGE: Colour = Colour::new(0xe6_9f_00);
/// Nearly black, for text.
pub const BLACK: Colour = Colour::new(0x1a_1a_1a);
/// White, for the page.
pub const WHITE: Colour = Colour::new(0xff_ff_ff);
/// Grey, for less important text; its contrast on white is 5.7 : 1.
pub const GREY: Colour = Colour::new(0x66_66_66);
/// Light grey, for bars that do not lead.
pub const PALE: Colour = Colour::new(0xb0_b0_b0);
/// Lighter grey, for the lines of grids and frames.
pub const HAIR: Colour = Colour::new(0xd0_d0_d0);

/// The colour of a patch's window on an image, from fine to coarse.
pub fn scale(scale: usize) -> Colour {
    [YELLOW, SKY, PURPLE, ORANGE][scale % 4]
}

/// The colour of an answer that is right, wrong, or of which nobody knows.
pub fn answer(right: Option<bool>) -> Colour {
    match right {
        Some(true) => GREEN,
        Some(false) => RED,
        None => BLUE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG's contrast, with powers that need not be exact.
    #[allow(clippy::disallowed_methods)]
    fn contrast(a: Colour, b: Colour) -> f64 {
        let luminance = |colour: Colour| {
            let linear = colour.rgb.map(|c| (f64::from(c) / 255.0).powf(2.2));
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_and_lines_stand_out() {
        for text in [BLACK, GREY, BLUE] {
            assert!(contrast(text, WHITE) > 4.5, "{text:?}");
        }
        for line in [GREEN, RED, SKY, YELLOW, PURPLE, ORANGE] {
            assert!(contrast(line, Colour::new(0)) > 4.5, "{line:?}");
        }
        assert_eq!(Colour::new(0x01_02_03).alpha(4), Colour { rgb: [1, 2, 3], alpha: 4 });
    }
}

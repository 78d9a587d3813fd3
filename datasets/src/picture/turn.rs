//! How a picture must be turned or mirrored to be upright: the orientation of EXIF.

/// The orientation of EXIF, from 1 (upright) to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn(u16);

impl Default for Turn {
    fn default() -> Self {
        Turn(1)
    }
}

impl Turn {
    /// Reads tag 0x0112 of the first directory, which may be an integer of any type. Without this tag the picture is upright.
    pub(super) fn of_exif(exif: &[u8]) -> Turn {
        let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        let big = exif.starts_with(b"MM");
        let number = |at: usize, bytes: usize| -> Option<usize> {
            let bytes = exif.get(at..at.checked_add(bytes)?)?;
            let add = |sum: usize, &byte: &u8| sum << 8 | usize::from(byte);
            Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
        };
        let find = || {
            let directory = number(4, 4)?;
            let entries = number(directory, 2)?;
            let at = (0..entries).map(|i| directory + 2 + 12 * i).find(|&at| number(at, 2) == Some(0x0112))?;
            // BYTE, SHORT and LONG, and the same with a sign.
            let bytes = match number(at + 2, 2)? {
                1 | 6 => 1,
                3 | 8 => 2,
                4 | 9 => 4,
                _ => return None,
            };
            number(at + 8, bytes).filter(|turn| (1..=8).contains(turn))
        };
        find().map_or(Turn::default(), |turn| Turn(turn as u16))
    }

    /// The turn of a PNG file, whose chunk `eXIf` may stand anywhere.
    pub(super) fn of_png(bytes: &[u8]) -> Turn {
        // Each chunk is a length, a type, the data and a checksum.
        let mut rest = bytes.get(8..).unwrap_or_default();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some(data) = after.get(4..).and_then(|after| after.get(..length)) else { break };
            if after.starts_with(b"eXIf") {
                return Turn::of_exif(data);
            }
            rest = after.get(4 + length + 4..).unwrap_or_default();
        }
        Turn::default()
    }

    /// The `[height, width]` of a picture after the turn.
    pub(super) fn size(self, [height, width]: [usize; 2]) -> [usize; 2] {
        // Rows become columns.
        if self.0 >= 5 { [width, height] } else { [height, width] }
    }

    /// Turns planes of `[height, width]`, which lie one after the other.
    pub(super) fn planes(self, pixels: &[u8], [height, width]: [usize; 2]) -> Vec<u8> {
        let [rows, columns] = self.size([height, width]);
        let mut out = Vec::with_capacity(pixels.len());
        for plane in pixels.chunks_exact((height * width).max(1)) {
            for row in 0..rows {
                for column in 0..columns {
                    // The place of this pixel in the file.
                    let (y, x) = match self.0 {
                        2 => (row, width - 1 - column),
                        3 => (height - 1 - row, width - 1 - column),
                        4 => (height - 1 - row, column),
                        5 => (column, row),
                        6 => (height - 1 - column, row),
                        7 => (height - 1 - column, width - 1 - row),
                        8 => (column, width - 1 - row),
                        _ => (row, column),
                    };
                    out.push(plane[y * width + x]);
                }
            }
        }
        out
    }
}

//! The segments of a JPEG file, and whether its scans hold every block of the picture.
//!
//! Decoders fill what is missing with grey if a file is cut and an end marker follows. So the scans are read here once before: only
//! their codes, without the arithmetic that makes pixels of them. ITU-T T.81 has the format; its sections are named below.

use std::borrow::Cow;

use super::scan::{Component, Scan, Table};

/// Start of image, Annex B.1.1.3, as the other markers.
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DHT: u8 = 0xc4;
const DRI: u8 = 0xdd;
const APP1: u8 = 0xe1;

/// Blocks may be visited so many times, and [`VISITS_FOR_A_BYTE`] times more for each byte of the file. A photograph in ten
/// progressive scans needs about three visits for a byte.
const FREE_VISITS: usize = 1 << 22;
const VISITS_FOR_A_BYTE: usize = 128;

/// A segment: its marker, its contents, and where the next one begins.
struct Segment<'a> {
    marker: u8,
    data: &'a [u8],
    end: usize,
}

/// The next segment from `at` on; none at the end of the file.
fn segment(bytes: &[u8], mut at: usize) -> Result<Option<Segment<'_>>, String> {
    loop {
        let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) else {
            return Ok(None);
        };
        at += skipped;
        let Some(&marker) = bytes.get(at + 1) else { return Ok(None) };
        match marker {
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd7 | SOI => at += 2,
            EOI => return Ok(Some(Segment { marker, data: &[], end: at + 2 })),
            _ => {
                let length = bytes.get(at + 2..at + 4).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])));
                let data = length.and_then(|length| bytes.get(at + 4..at + 2 + length.max(2)));
                let data = data.ok_or("it ends within a header")?;
                return Ok(Some(Segment { marker, data, end: at + 4 + data.len() }));
            }
        }
    }
}

/// The EXIF data of a file, if it has some before its first scan.
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 2;
    while let Ok(Some(Segment { marker, data, end })) = segment(bytes, at) {
        match marker {
            APP1 if data.starts_with(b"Exif\0\0") => return Some(data),
            SOS | EOI => return None,
            _ => at = end,
        }
    }
    None
}

/// The file with the Huffman tables of Annex K.3, if it has none before its first scan; frames of motion JPEG leave them out.
pub(super) fn with_tables(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut at = 2;
    while let Ok(Some(Segment { marker, end, .. })) = segment(bytes, at) {
        match marker {
            DHT | EOI => return Cow::Borrowed(bytes),
            SOS => return Cow::Owned([&bytes[..2], &default_tables(), &bytes[2..]].concat()),
            _ => at = end,
        }
    }
    Cow::Borrowed(bytes)
}

/// A segment with the tables of Annex K.3.
fn default_tables() -> Vec<u8> {
    let dc = |counts: [u8; 16]| (counts, (0..=11).collect::<Vec<u8>>());
    // The codes of 16 bits, at the end, are in the order of their values.
    let ac = |counts: [u8; 16], first: &[u8]| {
        let all = (0..16).flat_map(|run| (1..=10).map(move |size| run << 4 | size)).chain([0x00, 0xf0]);
        let mut rest: Vec<u8> = all.filter(|value| !first.contains(value)).collect();
        rest.sort_unstable();
        (counts, [first, &rest].concat())
    };
    let tables = [
        (0x00, dc([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])),
        (0x01, dc([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0])),
        (
            0x10,
            ac(
                [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
                &[
                    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
                    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
                    0x24, 0x33, 0x62, 0x72, 0x82,
                ],
            ),
        ),
        (
            0x11,
            ac(
                [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
                &[
                    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
                    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
                    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1,
                ],
            ),
        ),
    ];
    let data: Vec<u8> =
        tables.into_iter().flat_map(|(id, (counts, values))| [vec![id], counts.to_vec(), values].concat()).collect();
    let length = (data.len() + 2) as u16;
    [&[0xff, DHT][..], &length.to_be_bytes(), &data].concat()
}

/// Checks that the scans of a file with Huffman codes hold every block of the picture. Of other files, nothing is checked: the decoder
/// refuses them.
///
/// # Errors
/// What is missing, or what no code stands for.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let (mut tables, mut frame, mut interval) = (Tables::default(), None::<Frame>, 0);
    let mut visits = FREE_VISITS.saturating_add(VISITS_FOR_A_BYTE.saturating_mul(bytes.len()));
    let mut at = 2;
    while let Some(Segment { marker, data, end }) = segment(bytes, at)? {
        at = end;
        match (marker, &mut frame) {
            (EOI, _) => break,
            (DHT, _) => tables.read(data)?,
            (DRI, _) => interval = usize::from(u16_at(data, 0)?),
            (0xc0..=0xc2, None) => match Frame::read(data, marker == 0xc2)? {
                // The number of lines follows the first scan: the decoder refuses that.
                none if none.size[0] == 0 => return Ok(()),
                found => frame = Some(found),
            },
            (SOS, Some(frame)) => at = frame.scan(&tables, interval, data, bytes, end, &mut visits)?,
            (0xc0..=0xcf, _) if marker != 0xc8 && marker != 0xcc => return Ok(()),
            _ => {}
        }
    }
    match frame {
        Some(frame) if frame.components.iter().all(Component::is_complete) => Ok(()),
        Some(_) => Err("it ends before its last scan".to_owned()),
        None => Ok(()),
    }
}

fn u16_at(data: &[u8], at: usize) -> Result<u16, String> {
    let two = data.get(at..at + 2).ok_or("a header is too short")?;
    Ok(u16::from_be_bytes([two[0], two[1]]))
}

/// The Huffman tables that are defined so far: for DC and for AC, four of each.
#[derive(Default)]
struct Tables([[Option<Table>; 4]; 2]);

impl Tables {
    /// Annex B.2.4.2
    fn read(&mut self, mut data: &[u8]) -> Result<(), String> {
        while let Some((&id, rest)) = data.split_first() {
            let counts = rest.get(..16).ok_or("a Huffman table is too short")?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let values = rest[16..].get(..total).ok_or("a Huffman table is too short")?;
            let table = self.0.get_mut(usize::from(id >> 4)).and_then(|kind| kind.get_mut(usize::from(id & 15)));
            *table.ok_or("a Huffman table has an impossible number")? = Some(Table::new(counts, values)?);
            data = &rest[16 + total..];
        }
        Ok(())
    }
}

/// What a frame header says.
struct Frame {
    is_progressive: bool,
    /// The height and the width, in pixels.
    size: [usize; 2],
    /// The number of MCUs of a scan over several components, down and across.
    mcus: [usize; 2],
    components: Vec<Component>,
}

impl Frame {
    /// Annex B.2.2
    fn read(data: &[u8], is_progressive: bool) -> Result<Frame, String> {
        let size = [1, 3].map(|at| u16_at(data, at).map(usize::from));
        let [height, width] = [size[0].clone()?, size[1].clone()?];
        let count = usize::from(*data.get(5).ok_or("a frame header is too short")?);
        let specified = data[6..].chunks_exact(3).take(count);
        let factors: Vec<(u8, [usize; 2])> =
            specified.map(|one| (one[0], [usize::from(one[1] & 15), usize::from(one[1] >> 4)])).collect();
        let are_possible = factors.iter().all(|(_, factors)| factors.iter().all(|factor| (1..=4).contains(factor)));
        if factors.is_empty() || factors.len() < count || !are_possible {
            return Err("its frame header has impossible components".to_owned());
        }
        let most = [0, 1].map(|axis| factors.iter().map(|(_, factors)| factors[axis]).max().unwrap_or(1));
        let mcus = [0, 1].map(|axis| [height, width][axis].div_ceil(8 * most[axis]));
        let component = |&(id, factors): &(u8, [usize; 2])| {
            let blocks = [0, 1].map(|axis| ([height, width][axis] * factors[axis]).div_ceil(most[axis]).div_ceil(8));
            let padded = [0, 1].map(|axis| mcus[axis] * factors[axis]);
            Component::new(id, factors, blocks, padded)
        };
        Ok(Frame { is_progressive, size: [height, width], mcus, components: factors.iter().map(component).collect() })
    }

    /// Reads the scan whose header is `header` and whose codes begin at `at`; returns where they end. Annex B.2.3
    fn scan(
        &mut self,
        tables: &Tables,
        interval: usize,
        header: &[u8],
        bytes: &[u8],
        at: usize,
        visits: &mut usize,
    ) -> Result<usize, String> {
        let count = header.first().map_or(0, |&count| usize::from(count));
        if count == 0 {
            return Err("a scan header has no components".to_owned());
        }
        let rest = header.get(1..1 + 2 * count + 3).ok_or("a scan header is too short")?;
        let (chosen, band) = rest.split_at(2 * count);
        let scan = Scan {
            is_progressive: self.is_progressive,
            band: if self.is_progressive { [usize::from(band[0]), usize::from(band[1])] } else { [0, 63] },
            high: if self.is_progressive { band[2] >> 4 } else { 0 },
            low: if self.is_progressive { band[2] & 15 } else { 0 },
            interval,
        };
        let mut parts = Vec::new();
        for one in chosen.chunks_exact(2) {
            let index = self.components.iter().position(|component| component.id == one[0]);
            let [dc, ac] = [0, 1].map(|kind| {
                let number = if kind == 0 { one[1] >> 4 } else { one[1] & 15 };
                tables.0[kind].get(usize::from(number)).and_then(Option::as_ref)
            });
            parts.push((index.ok_or("a scan names a component that there is not")?, dc, ac));
        }
        let blocks: usize = parts.iter().map(|&(index, ..)| self.components[index].len()).sum();
        *visits = visits.checked_sub(blocks).ok_or("it has far more scans than bytes")?;
        scan.read(&mut self.components, &parts, self.mcus, bytes, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_tables_are_complete() {
        let segment = default_tables();
        // Annex K.3: 12 DC codes and 162 AC codes for each of luminance and chrominance.
        assert_eq!(segment.len(), 4 + 4 * 17 + 2 * 12 + 2 * 162);
        let mut tables = Tables::default();
        tables.read(&segment[4..]).unwrap();
        assert!(tables.0.iter().all(|kind| kind[0].is_some() && kind[1].is_some()));
    }
}

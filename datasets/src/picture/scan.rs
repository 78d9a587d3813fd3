//! The codes of a JPEG scan: Annexes F and G of ITU-T T.81, without the values that the codes stand for.

/// Codes of up to so many bits are found by one look-up.
const QUICK: usize = 9;

/// A Huffman table, Annex C.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next [`QUICK`] bits: the length of the code and its value, or 0 if the code is longer.
    quick: Vec<u16>,
    /// For each length: the first code, the number of codes, and the place of the first value.
    lengths: [[usize; 3]; 17],
    values: Vec<u8>,
}

impl Table {
    /// From the number of codes of each length from 1 to 16, and all values.
    pub(super) fn new(counts: &[u8], values: &[u8]) -> Result<Table, String> {
        let mut table = Table { quick: vec![0; 1 << QUICK], lengths: [[0; 3]; 17], values: values.to_vec() };
        let (mut code, mut place) = (0, 0);
        for (length, &count) in (1..=16).zip(counts) {
            let count = usize::from(count);
            if code + count > 1 << length {
                return Err("a Huffman table has more codes than there are".to_owned());
            }
            table.lengths[length] = [code, count, place];
            if length <= QUICK {
                for i in 0..count {
                    let first = (code + i) << (QUICK - length);
                    let entry = (length as u16) << 8 | u16::from(values[place + i]);
                    table.quick[first..first + (1 << (QUICK - length))].fill(entry);
                }
            }
            (code, place) = ((code + count) << 1, place + count);
        }
        Ok(table)
    }
}

/// The bits of a scan, up to the next marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    left: u32,
}

impl Bits<'_> {
    /// Fills the buffer, as far as there are bits.
    fn fill(&mut self) {
        while self.left <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            if byte == 0xff {
                // Annex B.1.1.5: a zero byte follows each 0xff that is no marker.
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.left += 8;
        }
    }

    /// The next `count` bits, up to 16.
    fn take(&mut self, count: u32) -> Result<usize, String> {
        if self.left < count {
            self.fill();
        }
        self.left = self.left.checked_sub(count).ok_or("it ends before its last block")?;
        Ok((self.buffer >> self.left) as usize & ((1 << count) - 1))
    }

    /// The value of the next code.
    fn decode(&mut self, table: &Table) -> Result<u8, String> {
        if self.left < 16 {
            self.fill();
        }
        // After the last bit, zeros follow here; `take` notices if they are used.
        let next = if self.left >= 16 { self.buffer >> (self.left - 16) } else { self.buffer << (16 - self.left) };
        let next = next as usize & 0xffff;
        let entry = table.quick[next >> (16 - QUICK)];
        if entry != 0 {
            self.take(u32::from(entry >> 8))?;
            return Ok(entry as u8);
        }
        for length in QUICK + 1..=16 {
            let [first, count, place] = table.lengths[length];
            let code = next >> (16 - length);
            if code >= first && code - first < count {
                self.take(length as u32)?;
                return Ok(table.values[place + code - first]);
            }
        }
        Err(if self.left < 16 { "it ends before its last block" } else { "there is a code that means nothing" }
            .to_owned())
    }

    /// Goes on after the next marker, which must be restart marker `number` of eight.
    fn restart(&mut self, number: usize) -> Result<(), String> {
        (self.buffer, self.left) = (0, 0);
        let at = self.marker();
        if self.bytes.get(at + 1) != Some(&(0xd0 + (number % 8) as u8)) {
            return Err("a restart marker is missing".to_owned());
        }
        self.at = at + 2;
        Ok(())
    }

    /// Where the next marker begins.
    fn marker(&self) -> usize {
        let is_marker = |pair: &[u8]| pair[0] == 0xff && pair[1] != 0 && pair[1] != 0xff;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.windows(2).position(is_marker).map_or(self.bytes.len(), |skipped| self.at + skipped)
    }
}

/// A component of a frame, and what is known of it.
pub(super) struct Component {
    /// Its number in the headers of frames and scans.
    pub id: u8,
    /// Its blocks in an MCU, down and across.
    factors: [usize; 2],
    /// Its blocks in a scan of its own.
    blocks: [usize; 2],
    /// Its blocks in a scan with others: whole MCUs.
    padded: [usize; 2],
    /// The lowest bit that is known of each coefficient.
    known: [Option<u8>; 64],
    /// Of progressive frames: for each block, which coefficients are not zero, a bit for each.
    nonzero: Vec<u64>,
}

impl Component {
    pub(super) fn new(id: u8, factors: [usize; 2], blocks: [usize; 2], padded: [usize; 2]) -> Component {
        Component { id, factors, blocks, padded, known: [None; 64], nonzero: Vec::new() }
    }

    /// The number of its blocks.
    pub(super) fn len(&self) -> usize {
        self.padded[0] * self.padded[1]
    }

    /// Whether every bit of every coefficient is known.
    pub(super) fn is_complete(&self) -> bool {
        self.known.iter().all(|&known| known == Some(0))
    }
}

/// The header of a scan, Annex B.2.3.
pub(super) struct Scan {
    pub is_progressive: bool,
    /// The first and the last coefficient, in zigzag order.
    pub band: [usize; 2],
    /// The bit above, which an earlier scan had; 0 if this is the first scan of these coefficients.
    pub high: u8,
    /// The lowest bit that this scan has.
    pub low: u8,
    /// The number of MCUs between restart markers; 0 if there are none.
    pub interval: usize,
}

/// A component's place in the frame, and its tables for DC and AC.
pub(super) type Part<'a> = (usize, Option<&'a Table>, Option<&'a Table>);

impl Scan {
    /// Reads the scan's codes from `at` on; returns where they end. `mcus` is the frame's number of MCUs, down and across.
    pub(super) fn read(
        &self,
        components: &mut [Component],
        parts: &[Part],
        mcus: [usize; 2],
        bytes: &[u8],
        at: usize,
    ) -> Result<usize, String> {
        let [first, last] = self.band;
        let is_alone = parts.len() == 1;
        if first > last || last > 63 || self.is_progressive && (first == 0) != (last == 0) || first > 0 && !is_alone {
            return Err("a scan header has impossible coefficients".to_owned());
        }
        let mut bits = Bits { bytes, at, buffer: 0, left: 0 };
        for &(index, ..) in parts {
            let component = &mut components[index];
            component.known[first..=last].fill(Some(self.low));
            let blocks = component.len();
            if self.is_progressive && first > 0 && component.nonzero.is_empty() {
                component.nonzero = vec![0; blocks];
            }
        }
        // Annex A.2: alone, a component has its own blocks, row after row; with others, MCUs of several blocks each.
        let [rows, columns] = if is_alone { components[parts[0].0].blocks } else { mcus };
        let mut run = 0;
        for mcu in 0..rows * columns {
            if self.interval > 0 && mcu > 0 && mcu.is_multiple_of(self.interval) {
                bits.restart(mcu / self.interval - 1)?;
                run = 0;
            }
            for &(index, dc, ac) in parts {
                let component = &mut components[index];
                let blocks = if is_alone { 1 } else { component.factors[0] * component.factors[1] };
                for _ in 0..blocks {
                    if !self.is_progressive {
                        sequential(&mut bits, table(dc)?, table(ac)?)?;
                    } else if first == 0 {
                        self.dc(&mut bits, dc)?;
                    } else {
                        let at = mcu / columns * component.padded[1] + mcu % columns;
                        self.ac(&mut bits, table(ac)?, &mut component.nonzero[at], &mut run)?;
                    }
                }
            }
        }
        // What was read ahead holds no marker.
        Ok(bits.marker())
    }

    /// Annexes G.1.2.1 and G.1.2.2: the DC coefficient.
    fn dc(&self, bits: &mut Bits, dc: Option<&Table>) -> Result<(), String> {
        let size = if self.high == 0 { u32::from(bits.decode(table(dc)?)?) } else { 1 };
        bits.take(size.min(16)).map(|_| ())
    }

    /// Annexes G.1.2.2 and G.1.2.3: the AC coefficients of a band. `run` is the number of blocks that have no more new ones.
    fn ac(&self, bits: &mut Bits, table: &Table, nonzero: &mut u64, run: &mut usize) -> Result<(), String> {
        let [first, last] = self.band;
        let is_first = self.high == 0;
        let mut k = first;
        while *run == 0 && k <= last {
            let value = bits.decode(table)?;
            let (mut zeros, size) = (value >> 4, value & 15);
            if size == 0 && zeros < 15 {
                // EOBn: this block and 2ⁿ − 1 + (n bits) others end here.
                *run = (1 << zeros) + bits.take(u32::from(zeros))?;
                break;
            }
            if size > 0 {
                // Of a coefficient that becomes 1 in this bit, only the sign follows.
                bits.take(if is_first { u32::from(size) } else { 1 })?;
            }
            // Zeros are passed over, and in later scans also the coefficients that are known already: a bit of each follows.
            while k <= last {
                if !is_first && *nonzero >> k & 1 == 1 {
                    bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if size > 0 && k <= last {
                *nonzero |= 1 << k;
            }
            k += 1;
        }
        if *run > 0 {
            *run -= 1;
            let rest = if is_first || k > last { 0 } else { (*nonzero >> k << k << (63 - last)).count_ones() };
            for _ in 0..rest {
                bits.take(1)?;
            }
        }
        Ok(())
    }
}

/// Annex F.1.2: a whole block.
fn sequential(bits: &mut Bits, dc: &Table, ac: &Table) -> Result<(), String> {
    let size = bits.decode(dc)?;
    bits.take(u32::from(size.min(16)))?;
    let mut k = 1;
    while k < 64 {
        let value = bits.decode(ac)?;
        match (value >> 4, value & 15) {
            (15, 0) => k += 16,
            (_, 0) => break,
            (zeros, size) => {
                bits.take(u32::from(size))?;
                k += usize::from(zeros) + 1;
            }
        }
    }
    Ok(())
}

fn table(table: Option<&Table>) -> Result<&Table, String> {
    table.ok_or_else(|| "a scan names a Huffman table that there is not".to_owned())
}

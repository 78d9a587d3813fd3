//! Draws built-in digits, one row for each class, and says how fast: `contact_sheet FILE.png [SEED]`.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::time::Instant;

use datasets::Images;
use datasets::digits::{Split, generate};

const COLUMNS: usize = 24;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: contact_sheet FILE.png [SEED]")?;
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;

    let start = Instant::now();
    let digits = generate(seed, Split::Train, 20_000);
    println!("{:.0} digits/s", 20_000.0 / start.elapsed().as_secs_f64());

    let mut pixels = Vec::new();
    for class in 0..10 {
        for i in (0..digits.len()).filter(|&i| digits.labels[i] == class).take(COLUMNS) {
            pixels.extend_from_slice(digits.images.image(i));
        }
    }
    let sheet = Images::new(pixels, 1, 28, 28)?.contact_sheet(COLUMNS);

    let mut encoder =
        png::Encoder::new(BufWriter::new(File::create(path)?), sheet.width() as u32, sheet.height() as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(sheet.pixels())?;
    Ok(())
}

//! A page on which one plays with attention: one HTML file with networks and the code that computes them.
//!
//! The code is the crate `page` beside this one, compiled to WebAssembly ([`ENGINE`]); so a network answers on the page with the
//! same bits as in the program. The scripts beside this module ask it and draw. The file needs no server and no network.

use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::config::{Config, Source};
use crate::error::RamError;
use crate::figures::html::{PARTS, STYLE, filled};
use crate::figures::svg::escaped;
use crate::model::ModelKind;
use crate::runs::atomic;
use crate::runs::checkpoint::Checkpoint;
use crate::zoo::file::encode;
use crate::zoo::{Facts, Number};

/// The engine as it was built when its sources last changed, gzip. `ram page --build` makes it anew.
pub const ENGINE: &[u8] = include_bytes!("../../page/engine.wasm.gz");

/// The largest file of a network's weights that a page takes, in bytes.
pub const LARGEST: usize = 16 << 20;

const PAGE: &str = include_str!("page.html");
const OWN_STYLE: &str = include_str!("page.css");
const ENGINE_SCRIPT: &str = include_str!("engine.js");
const WORKER_SCRIPT: &str = include_str!("worker.js");
const SCRIPTS: [&str; 6] = [
    PARTS,
    include_str!("stage.js"),
    include_str!("look.js"),
    include_str!("catch.js"),
    include_str!("learn.js"),
    include_str!("page.js"),
];

/// A network for a page, as the file of a pretrained model.
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    file: Vec<u8>,
    number: Number,
    rounded: bool,
}

impl Network {
    /// The network of a checkpoint, whose weights are put on the page as `number`. `stored` says how they were kept; to put numbers of
    /// 32 bits on the page as 16 bits is to round them, and the page says so.
    ///
    /// # Errors
    /// The page cannot show such a network: it has no glimpses, or looks at something that the page cannot draw. Or its weights are
    /// too large for the page, or for f16.
    pub fn new(checkpoint: &Checkpoint, facts: &Facts, [stored, number]: [Number; 2]) -> Result<Network, RamError> {
        let config = checkpoint.config()?;
        if let Some(reason) = refused(&config) {
            let name = &facts.name;
            return Err(RamError::Config(format!("{name}: {reason}; the page has digits and the game of Catch")));
        }
        let file = encode(checkpoint, facts, number)?;
        if file.len() > LARGEST {
            let (found, most) = (file.len() >> 20, LARGEST >> 20);
            let name = &facts.name;
            return Err(RamError::Config(format!(
                "{name}: its weights take {found} MiB, and a page takes at most {most}"
            )));
        }
        Ok(Network { name: facts.name.clone(), file, number, rounded: stored != number })
    }
}

/// What is told of a network that is no pretrained model: the test set has not seen it.
pub fn facts(checkpoint: &Checkpoint, name: &str) -> Result<Facts, RamError> {
    let state = &checkpoint.state;
    Ok(Facts {
        name: name.to_owned(),
        seed: checkpoint.config()?.seed,
        config: state.config.clone(),
        classes: state.classes.clone(),
        epoch: state.epoch,
        run_weights: checkpoint.weights_hash(),
        validation_error: state.best_error.unwrap_or(1.0),
        test_error: 0.0,
        test_count: 0,
    })
}

/// Why a page cannot show networks with this configuration, if it cannot.
fn refused(config: &Config) -> Option<String> {
    let data = &config.data;
    if config.model.kind != ModelKind::Ram {
        return Some(format!("model.kind is {}, which sees the whole image at once", config.model.kind.name()));
    }
    if data.source.game().is_some() {
        return None;
    }
    if !matches!(data.source, Source::Digits | Source::Mnist) {
        return Some(format!("data.source is {}", data.source.name()));
    }
    if data.clip_frames() > 1 {
        return Some("data.canvas is moving, so it looks at clips".to_owned());
    }
    if data.channels != 1 || data.size < 28 || data.size > 512 {
        return Some(format!("its images have {} channels and {} pixels along an edge", data.channels, data.size));
    }
    None
}

/// The page with these networks and an engine, gzip.
pub fn html(networks: &[Network], engine: &[u8]) -> String {
    let networks: Vec<_> = networks
        .iter()
        .map(|Network { name, file, number, rounded }| {
            let planes = match number {
                Number::F16 => 2,
                Number::F32 => 4,
            };
            let weights = STANDARD.encode(zipped(&in_planes(file, planes)));
            json!({ "name": name, "rounded": rounded, "planes": planes, "weights": weights })
        })
        .collect();
    // Only `<` could end the script element that holds them.
    let networks = serde_json::Value::from(networks).to_string().replace('<', "\\u003c");
    let title = escaped("Play with attention – RAM");
    let (style, scripts) = ([STYLE, OWN_STYLE].join("\n"), SCRIPTS.join("\n"));
    let engine = STANDARD.encode(engine);
    filled(PAGE, |mark| match mark {
        "TITLE" => &title,
        "STYLE" => &style,
        "NETWORKS" => &networks,
        "ENGINE" => &engine,
        "ENGINE_SCRIPT" => ENGINE_SCRIPT,
        "WORKER_SCRIPT" => WORKER_SCRIPT,
        "SCRIPT" => &scripts,
        _ => panic!("page.html has no mark {mark}"),
    })
}

/// Writes the page.
///
/// # Errors
/// [`RamError::Io`] where the file cannot be written.
pub fn save(networks: &[Network], engine: &[u8], out: &Path) -> Result<(), RamError> {
    let write = atomic::write(out, html(networks, engine).as_bytes());
    write.map_err(|source| RamError::Io { action: "write", path: out.to_owned(), source })
}

/// Bytes as gzip, which browsers unpack.
pub fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes what is written")
}

/// The first bytes of all numbers, then all second ones, and so on: the last ones, which have sign and exponent, are much alike and
/// can be packed.
fn in_planes(bytes: &[u8], planes: usize) -> Vec<u8> {
    (0..planes).flat_map(|plane| bytes.iter().skip(plane).step_by(planes).copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::evaluate::trace::tests::trained;
    use crate::zoo::Pretrained;

    fn network(number: Number) -> (Network, Checkpoint) {
        let checkpoint = trained("demo", &[]);
        (
            Network::new(&checkpoint, &facts(&checkpoint, "a</script>").unwrap(), [Number::F32, number]).unwrap(),
            checkpoint,
        )
    }

    #[test]
    fn the_page_holds_the_networks_and_asks_for_nothing_from_outside() {
        for number in [Number::F16, Number::F32] {
            let (network, checkpoint) = network(number);
            let page = html(&[network], ENGINE);
            for outside in ["http://", "https://", "src=", "@import", "url("] {
                let found =
                    page.match_indices(outside).find(|&(at, _)| !page[at..].starts_with("http://www.w3.org/2000/svg"));
                assert_eq!(found, None);
            }
            assert!(page.contains("default-src 'none'") && page.matches("</script>").count() == 5);
            // What a browser does with it.
            let block = page.split_once("id=\"networks\">").unwrap().1.split_once("</script>").unwrap().0;
            let networks: serde_json::Value = serde_json::from_str(block).unwrap();
            let packed = STANDARD.decode(networks[0]["weights"].as_str().unwrap()).unwrap();
            let (mut bytes, planes) = (Vec::new(), networks[0]["planes"].as_u64().unwrap() as usize);
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
            let mut file = vec![0; bytes.len()];
            let places = (0..planes).flat_map(|plane| (plane..bytes.len()).step_by(planes));
            places.zip(&bytes).for_each(|(at, &byte)| file[at] = byte);
            let read = Pretrained::decode(Path::new("page"), &file).unwrap();
            assert_eq!((read.facts.name.as_str(), read.number), ("a</script>", number));
            assert_eq!(networks[0]["rounded"], number == Number::F16);
            let same = read.checkpoint.weights_hash() == checkpoint.weights_hash();
            assert_eq!(same, number == Number::F32);
        }
    }

    #[test]
    fn what_the_page_cannot_draw_is_refused_by_name() {
        let refused = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
            refused(&Config::load(crate::config::Base::Preset("demo"), &sets).unwrap())
        };
        assert_eq!(refused(&[]), None);
        let cases: [(&[&str], &str); 4] = [
            (&["model.kind=fc"], "model.kind is fc, which sees the whole image at once"),
            (&["data.source=fashion-mnist"], "data.source is fashion-mnist"),
            (&["data.canvas=moving", "data.frames=5", "model.glimpses=5"], "data.canvas is moving"),
            (&["data.size=1000"], "1000 pixels along an edge"),
        ];
        for (sets, expected) in cases {
            assert!(refused(sets).is_some_and(|reason| reason.contains(expected)), "{sets:?}");
        }
    }
}

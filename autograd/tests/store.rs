//! Parameters that are written, read, damaged, and of other models.

use std::panic::{AssertUnwindSafe, catch_unwind};

use autograd::{Fault, Params, Real, StoreError};
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors};

/// Parameters with these names, shapes and numbers.
fn params<R: Real>(tensors: &[(&str, &[usize], &[R])]) -> Params<R> {
    let mut params = Params::new();
    for &(name, shape, values) in tensors {
        params.add(name, shape, |w| w.copy_from_slice(values));
    }
    params
}

fn small() -> Params<f32> {
    params(&[("core.weight", &[2, 3], &[1.0, -0.0, 3.5e-39, f32::MAX, 0.1, f32::NAN]), ("core.bias", &[3], &[0.25; 3])])
}

/// The same with zeros.
fn blank<R: Real>(like: &Params<R>) -> Params<R> {
    let mut blank = Params::new();
    for id in like.ids() {
        blank.add(like.name(id), like.shape(id), |_| {});
    }
    blank
}

fn bits(params: &Params<f32>) -> Vec<u32> {
    params.ids().flat_map(|id| params.get(id).iter().map(|x| x.to_bits())).collect()
}

#[test]
fn a_file_is_read_back_to_the_bit_and_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let saved = small();
    saved.save(&path).unwrap();
    let mut loaded = blank(&saved);
    loaded.load(&path).unwrap();
    assert_eq!(bits(&loaded), bits(&saved));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    assert_eq!(std::fs::read(&path).unwrap(), saved.to_bytes());

    let bytes = saved.to_bytes();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let bias = file.tensor("core.bias").unwrap();
    assert_eq!(
        (bias.dtype(), bias.shape(), bias.data()),
        (Dtype::F32, &[3][..], 0.25_f32.to_le_bytes().repeat(3).as_slice())
    );

    // Parameters may have been added in another order.
    let mut other = params::<f32>(&[("core.bias", &[3], &[0.0; 3]), ("core.weight", &[2, 3], &[0.0; 6])]);
    other.load_bytes(&bytes).unwrap();
    assert_eq!(other.get(other.find("core.bias").unwrap()), [0.25; 3]);
    assert_eq!(other.to_bytes(), bytes);
}

/// What a kernel reads is the packed copy of a matrix: it must be that of the loaded one.
#[test]
fn loaded_weights_are_those_that_are_used() {
    use autograd::nn::{Init, Linear};
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    let model = |seed| {
        let mut params = Params::<f64>::new();
        let layer = Linear::new(&mut params, "layer", [3, 2], Init::He, &mut ChaCha8Rng::seed_from_u64(seed));
        (params, layer)
    };
    let answer = |params: &Params<f64>, layer| {
        autograd::Tape::new().begin(params).constant([1, 3], &[1.0, 2.0, 3.0]).linear(layer).to_vec()
    };
    let ((first, layer), (mut second, _)) = (model(1), model(2));
    assert_ne!(answer(&first, layer), answer(&second, layer));
    second.load_bytes(&first.to_bytes()).unwrap();
    assert_eq!(answer(&first, layer), answer(&second, layer));
}

#[test]
fn errors_name_the_tensor_what_was_found_and_what_was_expected() {
    let bytes = small().to_bytes();
    type Case<'a> = (Params<f32>, fn(&Fault) -> bool, &'a [&'a str]);
    let weight = ("core.weight", &[2, 3][..], &[7.0; 6][..]);
    let bias = ("core.bias", &[3][..], &[7.0; 3][..]);
    let cases: [Case; 3] = [
        (
            params(&[weight, bias, ("more", &[], &[7.0])]),
            |f| matches!(f, Fault::Missing { .. }),
            &["\"more\"", "missing", "[]"],
        ),
        (
            params(&[("core.weight", &[3, 2], &[7.0; 6]), bias]),
            |f| matches!(f, Fault::Shape { .. }),
            &["\"core.weight\"", "[2, 3]", "expected [3, 2]"],
        ),
        (params(&[weight]), |f| matches!(f, Fault::Unexpected { .. }), &["\"core.bias\"", "[3]", "no parameter"]),
    ];
    for (mut other, kind, parts) in cases {
        let error = other.load_bytes(&bytes).unwrap_err();
        let said = error.to_string();
        assert!(kind(&error.fault) && parts.iter().all(|part| said.contains(part)) && !said.contains('\n'), "{said}");
        assert!(other.ids().all(|id| other.get(id).iter().all(|&x| x == 7.0)), "{said}: nothing was changed");
    }
    let mut double = params::<f64>(&[("core.weight", &[2, 3], &[7.0; 6]), ("core.bias", &[3], &[7.0; 3])]);
    let said = double.load_bytes(&bytes).unwrap_err().to_string();
    assert!(said.contains("holds F32, expected F64"), "{said}");
    let garbage = small().load_bytes(b"not a file of tensors").unwrap_err();
    assert!(matches!(garbage.fault, Fault::Format(_)) && garbage.to_string().contains("safetensors"), "{garbage}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let named = |error: StoreError, name: &str, parts: &[&str]| {
        let said = error.to_string();
        assert!(said.contains(name) && parts.iter().all(|part| said.contains(part)) && !said.contains('\n'), "{said}");
        error.fault
    };
    let mut params = small();
    assert!(matches!(named(params.load(at("none")).unwrap_err(), "none", &["cannot be read"]), Fault::Read(_)));
    std::fs::create_dir(at("folder")).unwrap();
    for error in [params.load(at("folder")).unwrap_err(), params.save(at("folder")).unwrap_err()] {
        assert!(matches!(named(error, "folder", &["expected a file"]), Fault::NoFile));
    }
    let error = params.save(at("no/such/folder")).unwrap_err();
    assert!(matches!(named(error, "folder", &["cannot be written"]), Fault::Write(_)));
    std::fs::write(at("long"), vec![0; 2 << 20]).unwrap();
    assert!(matches!(named(params.load(at("long")).unwrap_err(), "long", &["another model"]), Fault::TooLong { .. }));
    assert_eq!(bits(&params), bits(&small()));
}

#[test]
#[should_panic(expected = "cannot be called __metadata__")]
fn the_name_that_the_format_keeps_for_itself_is_refused() {
    params(&[("__metadata__", &[1], &[1.0_f32])]).to_bytes();
}

#[cfg(unix)]
#[test]
fn links_stay_devices_are_not_replaced_and_names_are_escaped() {
    use std::os::unix::fs::FileTypeExt;
    let folder = tempfile::tempdir().unwrap();
    // A name with a line break does not break the message.
    let odd = folder.path().join("line\nbreak");
    std::fs::write(&odd, "short").unwrap();
    let error = small().load(&odd).unwrap_err();
    assert!(matches!(error.fault, Fault::Format(_)) && error.to_string().contains("line\\nbreak"), "{error}");
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    small().save(&link).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&file).unwrap(), small().to_bytes());
    assert!(matches!(small().save("/dev/null").unwrap_err().fault, Fault::NoFile));
    assert!(matches!(small().load("/dev/zero").unwrap_err().fault, Fault::NoFile));
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

/// A name, an axis or two, and the bits of the numbers.
fn tensors() -> impl Strategy<Value = Vec<(String, Vec<usize>, Vec<u32>)>> {
    let tensor = (any::<String>(), prop::collection::vec(0_usize..4, 0..=4)).prop_flat_map(|(name, shape)| {
        let len = shape.iter().product::<usize>();
        (Just(name), Just(shape), prop::collection::vec(any::<u32>(), len))
    });
    prop::collection::vec(tensor, 0..5).prop_map(|mut all| {
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
        // The format keeps this name for itself.
        all.retain(|(name, ..)| name != "__metadata__");
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_parameters_come_back_to_the_bit(tensors in tensors()) {
        let mut params = Params::<f32>::new();
        for (name, shape, values) in &tensors {
            params.add(name, shape.as_slice(), |w| w.iter_mut().zip(values).for_each(|(w, &x)| *w = f32::from_bits(x)));
        }
        let bytes = params.to_bytes();
        let mut loaded = blank(&params);
        loaded.load_bytes(&bytes).unwrap();
        prop_assert_eq!(bits(&loaded), bits(&params));
        prop_assert_eq!(loaded.to_bytes(), bytes);
    }

    /// Bytes that were changed, cut or continued are refused, or are numbers of the same names and shapes. Nothing panics.
    #[test]
    fn damage_never_panics(cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), flip in 1_u8.., more in prop::collection::vec(any::<u8>(), 0..9)) {
        let whole = small().to_bytes();
        let load = |bytes: &[u8]| {
            let mut params = blank(&small());
            let result = catch_unwind(AssertUnwindSafe(|| params.load_bytes(bytes))).expect("no panic");
            assert!(result.is_ok() || bits(&params).iter().all(|&x| x == 0), "refused, but changed");
            result
        };
        prop_assert!(load(&whole[..cut.index(whole.len())]).is_err(), "cut");
        prop_assert!(load(&[&whole[..], &more].concat()).is_ok() == more.is_empty(), "continued");
        let mut flipped = whole.clone();
        flipped[at.index(whole.len())] ^= flip;
        _ = load(&flipped);
        _ = load(&more);
    }
}

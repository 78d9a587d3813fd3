//! Memory for copies, which each thread keeps, so that a step neither allocates nor clears any.

use std::cell::RefCell;

use super::blocks::{K_BLOCK, ROW_BLOCK};
use super::height::{MAX_TILE_ROWS, MAX_TILE_VECTORS};
use super::terms::{MAX_BIASES, PANEL_WIDTH};
use crate::number::Number;
use crate::slab::CacheLine;

/// The numbers of f32 for which a copy of B has room: a block of k of 512 columns, which are 512 KiB. It stays in an L2 cache,
/// or is read from the next one in the order in which it lies.
const COPIED_NUMBERS: usize = 512 * K_BLOCK;

/// Memory for copies of parts of A, of panels of B, of a tile of C and of biases.
pub(super) struct Buffers<'a, R> {
    pub(super) left: &'a mut [R],
    pub(super) right: &'a mut [R],
    pub(super) tile: &'a mut [R],
    pub(super) biases: &'a mut [R],
}

/// The cache lines that hold so many f64, or twice as many f32.
const fn lines(numbers: usize) -> usize {
    numbers * 8 / 64
}

const LEFT: usize = lines(ROW_BLOCK * K_BLOCK / 2);
const RIGHT: usize = lines(COPIED_NUMBERS / 2);
const TILE: usize = lines(MAX_TILE_ROWS * MAX_TILE_VECTORS * PANEL_WIDTH);
const BIASES: usize = lines(MAX_BIASES * MAX_TILE_VECTORS * PANEL_WIDTH);

/// The buffers of one thread. All but `left` have the full size in f64 too; with f64, `left` holds half as many rows.
struct Memory {
    left: [CacheLine; LEFT],
    right: [CacheLine; RIGHT],
    tile: [CacheLine; TILE],
    biases: [CacheLine; BIASES],
}

/// Lends the buffers of this thread. (A kernel cannot borrow them itself, since a closure is not compiled for its
/// path.)
pub(super) fn with_buffers<R: Number>(work: impl FnOnce(Buffers<R>)) {
    thread_local! {
        static MEMORY: RefCell<Memory> = const {
            RefCell::new(Memory {
                left: [CacheLine::ZERO; LEFT],
                right: [CacheLine::ZERO; RIGHT],
                tile: [CacheLine::ZERO; TILE],
                biases: [CacheLine::ZERO; BIASES],
            })
        };
    }
    MEMORY.with_borrow_mut(|memory| {
        work(Buffers {
            left: bytemuck::cast_slice_mut(&mut memory.left),
            right: bytemuck::cast_slice_mut(&mut memory.right),
            tile: bytemuck::cast_slice_mut(&mut memory.tile),
            biases: bytemuck::cast_slice_mut(&mut memory.biases),
        });
    });
}

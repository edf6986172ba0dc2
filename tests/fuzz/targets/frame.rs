//! The framer: however a stream is cut, the same messages come out, and no body beyond its cap.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgscope::wire::{FrameError, Framer};

fn cap(tag: u8) -> usize {
    match tag {
        b'D' | b'd' => 0,
        b'Q' => 64,
        _ => 7,
    }
}

type Messages = (Vec<(u8, u32, Vec<u8>)>, Option<FrameError>, Option<u8>);

fn messages<'b>(chunks: impl Iterator<Item = &'b [u8]>) -> Messages {
    let mut framer = Framer::new();
    let mut found = Vec::new();
    for chunk in chunks {
        let mut input = chunk;
        loop {
            match framer.next(&mut input, cap) {
                Ok(Some(message)) => {
                    assert!(message.body.len() <= cap(message.tag));
                    assert!(message.body.len() <= message.length as usize);
                    found.push((message.tag, message.length, message.body.to_vec()));
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error), None),
            }
        }
        assert!(input.is_empty(), "a framer takes all that it is given");
    }
    (found, None, framer.open_message())
}

fuzz_target!(|data: &[u8]| {
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let whole = messages(std::iter::once(bytes));
    let cut = messages(bytes.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, cut);
});

//! What Kafka's record batches may say.

use curfewd_core::kafka::batches::{Batch, Time, marker, together};
use curfewd_core::kafka::columns::{KEY, Row, VALUE, join, line_starts};
use curfewd_core::kafka::walk::Walk;
use curfewd_core::kafka::write;

/// Whatever is read stands in the data, goes on behind what was read before, and is read again as it was written.
///
/// The first byte says how many records a batch has at the most and how, the rest is what a broker sent.
pub fn holds(input: &[u8]) {
    let Some((&how, data)) = input.split_first() else { return };
    let found = together(data, 0, how & 1 == 1, i64::MAX, usize::MAX);
    assert!(found.end <= data.len());
    read(data, Walk::together(0, found.end));
    if let Some(batch) = Batch::at(data, 0) {
        let _ = (batch.offsets(), batch.count(), batch.time(), batch.is_whole());
    }
    let _ = marker(data, 0, i64::from(how));
    read(data, Walk::within(0, data.len(), i64::from(how), (0, 1000), Time::From(0)));
    read(data, Walk::within(0, data.len(), i64::from(how), (i64::MIN, i64::MAX), Time::OfAll(i64::MAX)));
}

fn read(data: &[u8], mut walk: Walk) {
    let (mut position, mut rows) = (i64::MIN, Vec::new());
    while !walk.is_done() {
        let before = (walk.at(), position);
        let more = walk.read(data, 3, &mut position);
        assert!(walk.is_wrong() || (walk.at(), position) > before, "reading goes on");
        rows.extend(more);
    }
    assert!(rows.windows(2).all(|pair| pair[0][0] < pair[1][0]), "offsets ascend");
    let lines = written(data, &rows);
    for (most, count) in [(usize::MAX, 1), (64, rows.len())] {
        let parts = write::batches(data, &rows, most).expect("the rows are in the data");
        assert!(parts.len() <= count.max(1));
        assert_eq!(parts.iter().map(|(records, _)| records).sum::<usize>(), rows.len());
        let mut again = (Vec::new(), Vec::new());
        for (records, text) in parts {
            let last = records as i64 - 1;
            let mut walk = Walk::within(0, text.len(), records as i64, (0, last), Time::From(0));
            let mut position = i64::MIN;
            let rows = walk.read(&text, records, &mut position);
            assert!(!walk.is_wrong() && rows.len() == records);
            let (values, keys) = written(&text, &rows);
            again.0.extend(values);
            again.1.extend(keys);
        }
        assert_eq!(again, lines);
    }
}

/// The values and keys of rows, a line each.
fn written(data: &[u8], rows: &[Row]) -> (Vec<u8>, Vec<u8>) {
    let mut keys = Vec::new();
    let starts = line_starts(rows);
    let mut text = vec![0; *starts.last().expect("there is one more than rows") as usize];
    join(data, rows, VALUE, &starts, &mut text).expect("the values are in the data");
    for row in rows {
        let (key, size) = (row[KEY] as usize, row[KEY + 1].max(0) as usize);
        keys.extend_from_slice(&data[key..key + size]);
        keys.push(b'\n');
    }
    (text, keys)
}

//! Text in columns, by the rules of Go's text/tabwriter with which podman prints: cells end with a tab, a column is a run of lines that
//! have that cell, and is as wide as its widest cell and the padding, or the minimum.

/// Narrowest column, padding included.
const MINIMUM: usize = 12;
/// Blanks after the widest cell of a column.
const PADDING: usize = 2;

/// Replaces the tabs of `text` by blanks so that the cells of neighbouring lines stand below each other.
pub fn align(text: &str) -> String {
    align_with(text, MINIMUM)
}

/// [`align`] with another narrowest width: `top` has one.
pub fn align_with(text: &str, minimum: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
    measure(&lines, &mut widths, 0..lines.len(), 0, minimum);
    let mut output = String::with_capacity(text.len() * 2);
    for (index, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if index > 0 {
            output.push('\n');
        }
        for (position, cell) in cells.iter().enumerate() {
            output.push_str(cell);
            if let Some(width) = widths.get(position) {
                output.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
    }
    output
}

/// Rows with a header above, aligned.
pub fn rows<'a>(header: &[&str], rows: impl IntoIterator<Item = Vec<String>> + 'a) -> String {
    let mut text = String::new();
    if !header.is_empty() {
        text.push_str(&header.join("\t"));
        text.push('\n');
    }
    for row in rows {
        text.push_str(&row.iter().map(|cell| cell.replace(['\t', '\n'], " ")).collect::<Vec<_>>().join("\t"));
        text.push('\n');
    }
    align(&text)
}

/// Finds the widths of the columns from `column` on in a run of lines: the last cell of a line belongs to no column.
fn measure(lines: &[Vec<&str>], widths: &mut [Vec<usize>], range: std::ops::Range<usize>, column: usize, minimum: usize) {
    let has_column = |line: usize| lines[line].len() > column + 1;
    let mut line = range.start;
    while line < range.end {
        if !has_column(line) {
            line += 1;
            continue;
        }
        let end = (line..range.end).find(|line| !has_column(*line)).unwrap_or(range.end);
        let widest = lines[line..end].iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
        for widths in &mut widths[line..end] {
            widths.push((widest + PADDING).max(minimum));
        }
        measure(lines, widths, line..end, column + 1, minimum);
        line = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_at_least_twelve_wide_and_the_last_is_not_padded() {
        let table = rows(&["CONTAINER ID", "NAMES", "STATUS"], [vec!["7368bff9ddfe".into(), "a".into(), "Up".into()]]);
        assert_eq!(table, "CONTAINER ID  NAMES       STATUS\n7368bff9ddfe  a           Up\n");
    }

    #[test]
    fn a_line_without_tabs_ends_a_column() {
        assert_eq!(align("a\tb\nlonger than twelve\nc\td\n"), "a           b\nlonger than twelve\nc           d\n");
        assert_eq!(align("aaaaaaaaaaaaaaaa\tb\nc\td"), "aaaaaaaaaaaaaaaa  b\nc                 d");
    }

    #[test]
    fn width_is_counted_in_characters() {
        assert_eq!(align("äöüäöüäöüäöü\tx\nb\ty"), "äöüäöüäöüäöü  x\nb             y");
    }
}

//! Tables of text that fit a terminal.

use super::terminal::wrapped;

/// Where the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// At the left.
    Left,
    /// At the right, as numbers do.
    Right,
    /// At the left; where the table is too wide, below the other cells of the row, with the row's other long cells.
    Long,
}

/// A table: its columns with their headings, and its rows.
pub struct Table {
    columns: Vec<(String, Column)>,
    rows: Vec<Vec<String>>,
}

/// The indent of what stands below a row.
const BELOW: usize = 4;

impl Table {
    /// A table without rows.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Column)>) -> Table {
        Table {
            columns: columns.into_iter().map(|(head, column)| (head.to_owned(), column)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The table in lines of at most `width` columns; `None` is any width. Long cells move below their rows, and columns for
    /// which there is still no room follow in a further table, behind the first column. No cell but a long one is broken.
    pub fn text(&self, width: Option<usize>) -> String {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let fits = |columns: &[usize]| width.is_none_or(|width| self.wide(columns) <= width);
        if fits(&all) {
            return self.lines(&all, &[], None);
        }
        let (below, beside): (Vec<_>, Vec<_>) = all.into_iter().partition(|&i| self.columns[i].1 == Column::Long);
        let mut tables: Vec<Vec<usize>> = vec![vec![]];
        for column in beside {
            let last = tables.last_mut().expect("a table");
            let more = [&last[..], &[column]].concat();
            if last.len() < 2 || fits(&more) { *last = more } else { tables.push(vec![tables[0][0], column]) }
        }
        let tables = tables.iter().enumerate();
        let texts = tables.map(|(i, columns)| self.lines(columns, if i == 0 { &below } else { &[] }, width));
        texts.collect::<Vec<_>>().join("\n\n")
    }

    /// The width of a column.
    fn column(&self, i: usize) -> usize {
        let cells = self.rows.iter().map(|row| &row[i]).chain([&self.columns[i].0]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    /// The width of these columns side by side.
    fn wide(&self, columns: &[usize]) -> usize {
        columns.iter().map(|&i| self.column(i) + 2).sum::<usize>().saturating_sub(2)
    }

    /// The lines of some columns, each row followed by its cells of the columns `below`.
    fn lines(&self, columns: &[usize], below: &[usize], width: Option<usize>) -> String {
        let widths: Vec<usize> = columns.iter().map(|&i| self.column(i)).collect();
        let line = |cell: &dyn Fn(usize) -> String| {
            let cells = columns.iter().zip(&widths).map(|(&i, &width)| match self.columns[i].1 {
                Column::Right => format!("{:>width$}", cell(i)),
                Column::Left | Column::Long => format!("{:<width$}", cell(i)),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let heads: Vec<String> = self.columns.iter().map(|(head, _)| head.clone()).collect();
        let mut lines = Vec::new();
        for row in [&heads].into_iter().chain(&self.rows) {
            lines.push(line(&|i| row[i].clone()));
            let more: Vec<_> = below.iter().map(|&i| row[i].trim()).filter(|cell| !cell.is_empty()).collect();
            if !more.is_empty() {
                lines.push(wrapped(&format!("{:BELOW$}{}", "", more.join(": ")), width, BELOW));
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            ("name", Column::Left),
            ("what it is", Column::Long),
            ("error", Column::Right),
            ("of", Column::Right),
        ]);
        table.row(["a", "the first one of all", "1.25 %", "10000"].map(str::to_owned).to_vec());
        table.row(["bee", "  the second", "12.50 %", "60"].map(str::to_owned).to_vec());
        table
    }

    #[test]
    fn a_table_is_one_line_a_row_where_there_is_room() {
        let wide = "name  what it is              error     of\n\
                    a     the first one of all   1.25 %  10000\n\
                    bee     the second          12.50 %     60";
        assert_eq!([None, Some(42)].map(|width| table().text(width)), [wide, wide]);
    }

    #[test]
    fn long_cells_move_below_and_further_columns_into_further_tables() {
        let narrow = "name    error     of\n    what it is\n\
                      a      1.25 %  10000\n    the first one of\n    all\n\
                      bee   12.50 %     60\n    the second";
        assert_eq!(table().text(Some(20)), narrow);
        let text = table().text(Some(14));
        assert_eq!(
            text,
            "name    error\n    what it is\na      1.25 %\n    the first\n    one of all\nbee   12.50 %\n    the second\n\n\
             name     of\na     10000\nbee      60"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 14));
    }
}

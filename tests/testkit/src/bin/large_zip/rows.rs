//! An SQL dump in mysqldump's format: a table definition and its rows, many in each INSERT.

use std::io::{self, Write};

use fastrand::Rng;

/// The size of one INSERT, about mysqldump's default.
const INSERT_SIZE: usize = 1 << 20;

const HEAD: &str = "\
-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: inforx
-- ------------------------------------------------------
/*!50503 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `orders`;
CREATE TABLE `orders` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `first_name` varchar(40) NOT NULL,
  `last_name` varchar(40) NOT NULL,
  `email` varchar(120) NOT NULL,
  `street` varchar(120) NOT NULL,
  `city` varchar(60) NOT NULL,
  `ordered` datetime NOT NULL,
  `shipped` datetime DEFAULT NULL,
  `product` int unsigned NOT NULL,
  `quantity` smallint unsigned NOT NULL,
  `price` decimal(10,2) NOT NULL,
  `status` varchar(20) NOT NULL,
  `remark` text,
  PRIMARY KEY (`id`),
  KEY `email` (`email`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
LOCK TABLES `orders` WRITE;
";

#[rustfmt::skip]
const FIRST_NAMES: [&str; 32] = [
    "Anna", "Ben", "Clara", "David", "Elif", "Felix", "Greta", "Hannah", "Ida", "Jonas", "Katharina", "Leon", "Marie",
    "Noah", "Olga", "Paul", "Quentin", "Rosa", "Sophie", "Tim", "Ute", "Valentin", "Wanda", "Xenia", "Yusuf", "Zoe",
    "Charlotte", "Maximilian", "Mehmet", "Giulia", "Pierre", "Agnieszka",
];
#[rustfmt::skip]
const LAST_NAMES: [&str; 40] = [
    "Bauer", "Becker", "Dubois", "Fischer", "Garcia", "Hoffmann", "Ivanov", "Jansen", "Kaya", "Klein", "Kowalski",
    "Krause", "Lehmann", "Maier", "Meyer", "Moreau", "Neumann", "Novak", "Peters", "Petit", "Richter", "Rossi",
    "Schmidt", "Schneider", "Schröder", "Schulz", "Schwarz", "Silva", "Smith", "Vogel", "Wagner", "Weber", "Werner",
    "Wolf", "Yilmaz", "Zimmermann", "Andersson", "Bianchi", "Christensen", "O\\'Brien",
];
#[rustfmt::skip]
const STREETS: [&str; 20] = [
    "Hauptstraße", "Bahnhofstraße", "Gartenweg", "Lindenallee", "Schulstraße", "Kirchplatz", "Am Markt", "Bergstraße",
    "Rue de la Paix", "Mühlenweg", "Rosenweg", "Dorfstraße", "Via Roma", "Ringstraße", "Waldweg", "Goethestraße",
    "Industriestraße", "Wiesengrund", "Uferpromenade", "Königsallee",
];
#[rustfmt::skip]
const CITIES: [&str; 20] = [
    "Berlin", "Hamburg", "München", "Köln", "Frankfurt am Main", "Stuttgart", "Düsseldorf", "Leipzig", "Wien", "Graz",
    "Zürich", "Basel", "Bern", "Paris", "Lyon", "Milano", "Kraków", "Gdańsk", "Utrecht", "København",
];
const MAIL_HOSTS: [&str; 6] =
    ["example.com", "example.net", "example.org", "mail.example.com", "post.example.net", "shop.example.org"];
const STATES: [&str; 8] = ["open", "paid", "packed", "shipped", "delivered", "returned", "refunded", "cancelled"];
const REMARKS: [&str; 8] = [
    "leave it at the neighbour\\'s door if nobody answers",
    "gift wrap, please",
    "call before delivery",
    "second attempt of delivery, the first one failed",
    "invoice to the company\\'s address",
    "customer asked for a later date",
    "voucher code was applied by hand",
    "damaged on arrival, a replacement was sent",
];

/// Writes a dump of `size` bytes, always the same, which deflates to about a quarter.
pub(crate) fn write_dump(size: u64, out: &mut impl Write) -> io::Result<()> {
    let mut random = Rng::with_seed(42);
    let mut remaining = size;
    let mut text = HEAD.as_bytes().to_vec();
    let mut row = 1;
    while remaining > 0 {
        let start = text.len();
        text.extend_from_slice(b"INSERT INTO `orders` VALUES ");
        while text.len() - start < INSERT_SIZE {
            write_row(row, &mut random, &mut text)?;
            text.push(b',');
            row += 1;
        }
        text.pop();
        text.extend_from_slice(b";\n");
        let count = remaining.min(text.len() as u64);
        out.write_all(&text[..count as usize])?;
        remaining -= count;
        text.clear();
    }
    Ok(())
}

fn write_row(row: u64, random: &mut Rng, text: &mut Vec<u8>) -> io::Result<()> {
    let (first, last) = (pick(&FIRST_NAMES, random), pick(&LAST_NAMES, random));
    write!(text, "({row},'{first}','{last}','")?;
    text.extend(first.bytes().chain([b'.']).chain(last.bytes()).filter(u8::is_ascii).map(|b| b.to_ascii_lowercase()));
    write!(
        text,
        "{}@{}','{} {}','{}','",
        random.u16(1..1000),
        pick(&MAIL_HOSTS, random),
        pick(&STREETS, random),
        random.u8(1..150),
        pick(&CITIES, random)
    )?;
    // About one order every 40 seconds.
    let ordered = row * 40 + random.u64(..40);
    write_time(ordered, text)?;
    if random.u8(..4) == 0 {
        text.extend_from_slice(b"',NULL,");
    } else {
        text.extend_from_slice(b"','");
        write_time(ordered + random.u64(3_600..400_000), text)?;
        text.extend_from_slice(b"',");
    }
    let price = random.u32(100..50_000);
    let (quantity, state) = (random.u8(1..6), pick(&STATES, random));
    write!(text, "{},{quantity},{}.{:02},'{state}',", random.u32(1000..9000), price / 100, price % 100)?;
    match random.u8(..3) {
        0 => write!(text, "'{}')", pick(&REMARKS, random)),
        _ => write!(text, "NULL)"),
    }
}

/// Writes the time `seconds` after the start of 2019, in a calendar of 28-day months.
fn write_time(seconds: u64, text: &mut Vec<u8>) -> io::Result<()> {
    let (minutes, days) = (seconds / 60, seconds / 86_400);
    let (year, month, day) = (2019 + days / 336, days / 28 % 12 + 1, days % 28 + 1);
    write!(text, "{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", minutes / 60 % 24, minutes % 60, seconds % 60)
}

fn pick<'a>(words: &[&'a str], random: &mut Rng) -> &'a str {
    words[random.usize(..words.len())]
}

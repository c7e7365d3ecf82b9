//! Orders as customers place them, from a seed: the same seed and number give the same order.
//!
//! Names and notes hold what real ones do: `%`, `+`, `&`, full-width commas, emoji. Amounts add up: dishes,
//! boxes and delivery are the original price, less the reductions the total.

/// The dishes of the chain: code, name, price in fen, price of a box in fen.
pub const MENU: &[(&str, &str, i64, i64)] = &[
    ("F1001", "红烧牛肉面", 2_800, 100),
    ("F1002", "番茄鸡蛋面", 1_850, 100),
    ("F1003", "重庆小面", 1_299, 50),
    ("F1004", "酸辣粉+煎蛋", 1_650, 100),
    ("F1005", "香菇滑鸡饭", 2_199, 150),
    ("F2001", "可乐 100%冰", 500, 0),
    ("F2002", "柠檬红茶", 880, 0),
    ("F2003", "豆浆&油条", 750, 50),
    ("F3001", "凉拌黄瓜", 999, 50),
    ("F3002", "卤蛋", 250, 0),
];
const CHOICES: &[&str] = &["中辣", "微辣", "不要香菜", "多葱", "少油", "加醋"];
const SPECS: &[&str] = &["", "", "大份", "小份"];
const NOTES: &[&str] = &[
    "",
    "",
    "少放辣 【如遇缺货】：缺货时电话与我沟通",
    "不要筷子,汤分开装+多一包纸巾",
    "打9折&送可乐? 100%不要香菜",
    "到了请放门口🙏谢谢=)",
];
const FAMILY_NAMES: &[&str] = &["张", "王", "李", "赵", "陈", "欧阳"];
/// From this sum of goods on there is a reduction, both in fen.
const REDUCTION_FROM_FEN: i64 = 5_000;
const REDUCTION_FEN: i64 = 500;
const DELIVERY_FEN: i64 = 300;
const HALF_HOUR_S: i64 = 30 * 60;

/// An order, as the platform knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The platform's id.
    pub order_id: String,
    /// The store as the chain named it to the platform, e.g. `S0042`.
    pub shop: String,
    /// The store's name.
    pub shop_name: String,
    /// The number of the order in the store's day, from 1.
    pub day_seq: u32,
    /// When it was placed, in Unix seconds.
    pub placed_at_s: i64,
    /// When it is wanted; 0 is as soon as possible.
    pub wanted_at_s: i64,
    /// The customer comes for it.
    pub self_pickup: bool,
    /// What is ordered.
    pub dishes: Vec<PlacedDish>,
    /// What is taken off: its name, and how much in fen.
    pub reductions: Vec<(String, i64)>,
    /// Charge for delivery.
    pub delivery_fen: i64,
    /// The customer's note.
    pub note: String,
    /// `dinners_number`: 1 to 10, 99 without cutlery, -10 more than ten, 0 not said.
    pub diners: i32,
    /// The customer's name.
    pub name: String,
    /// The customer's privacy number.
    pub phone: String,
    /// The customer's address.
    pub address: String,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedDish {
    /// The chain's code.
    pub code: String,
    /// The name.
    pub name: String,
    /// Size or kind.
    pub spec: String,
    /// What the customer chose.
    pub choices: Vec<String>,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub price_fen: i64,
    /// Price of a box; a line has as many as dishes.
    pub box_price_fen: i64,
}

impl PlacedOrder {
    /// Order `number` of a run with `seed`.
    pub fn generate(seed: u64, number: u64, shop: &str, placed_at_s: i64) -> Self {
        let mut chance = Chance::new(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        let dishes: Vec<PlacedDish> =
            (0..chance.between(1, 6)).map(|_| PlacedDish::generate(&mut chance)).collect();
        let goods: i64 = dishes.iter().map(PlacedDish::sum_fen).sum();
        let reductions = match goods >= REDUCTION_FROM_FEN {
            true => vec![("满50减5元".to_owned(), REDUCTION_FEN)],
            false => Vec::new(),
        };
        let self_pickup = chance.one_in(10);
        let wanted_at_s = if chance.one_in(8) { placed_at_s + HALF_HOUR_S * 4 } else { 0 };
        let family_name = chance.pick(FAMILY_NAMES);
        Self {
            // Beyond 2^53, as real ones are.
            order_id: format!("{}", 27_057_680_000_000_000 + number),
            shop: shop.to_owned(),
            shop_name: format!("测试面馆({shop}店)"),
            day_seq: u32::try_from(number % 10_000).unwrap_or(0) + 1,
            placed_at_s,
            wanted_at_s,
            self_pickup,
            dishes,
            reductions,
            delivery_fen: if self_pickup { 0 } else { DELIVERY_FEN },
            note: chance.pick(NOTES).to_owned(),
            diners: [0, 1, 2, 3, 99, -10][chance.below(6)],
            name: format!("{family_name}(先生)"),
            phone: format!("1381234{:04}_{:04}", chance.below(10_000), chance.below(10_000)),
            address: format!(
                "测试小区 ({}号楼 {})@#测试省测试市测试路",
                chance.between(1, 30),
                chance.between(101, 3204)
            ),
        }
    }

    /// What everything costs before reductions.
    pub fn original_fen(&self) -> i64 {
        self.dishes.iter().map(PlacedDish::sum_fen).sum::<i64>() + self.delivery_fen
    }

    /// What the customer pays.
    pub fn total_fen(&self) -> i64 {
        self.original_fen() - self.reductions.iter().map(|(_, fen)| fen).sum::<i64>()
    }
}

impl PlacedDish {
    fn generate(chance: &mut Chance) -> Self {
        let (code, name, price_fen, box_price_fen) = MENU[chance.below(MENU.len())];
        let choices = (0..chance.below(3)).map(|_| chance.pick(CHOICES).to_owned()).collect();
        Self {
            code: code.to_owned(),
            name: name.to_owned(),
            spec: chance.pick(SPECS).to_owned(),
            choices,
            quantity: u32::try_from(chance.between(1, 3)).unwrap_or(1),
            price_fen,
            box_price_fen,
        }
    }

    /// The dishes and their boxes.
    pub fn sum_fen(&self) -> i64 {
        (self.price_fen + self.box_price_fen) * i64::from(self.quantity)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0, below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from(self.bits() % limit).unwrap_or(0)
    }

    /// From `low` to `high`, both of them too.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several texts.
    pub fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let order = |seed, number| PlacedOrder::generate(seed, number, "S0042", 1_767_225_600);
        assert_eq!(order(1, 7), order(1, 7));
        assert_ne!(order(1, 7).order_id, order(1, 8).order_id);
        assert_ne!(order(1, 7), order(2, 7));
    }
}

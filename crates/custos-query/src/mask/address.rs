//! The mask for postal addresses.

use super::{HIDDEN, is_han};

/// The first-level divisions of China (GB/T 2260), without what they are.
const PROVINCES: [&str; 34] = [
    "北京",
    "天津",
    "上海",
    "重庆",
    "河北",
    "山西",
    "内蒙古",
    "辽宁",
    "吉林",
    "黑龙江",
    "江苏",
    "浙江",
    "安徽",
    "福建",
    "江西",
    "山东",
    "河南",
    "湖北",
    "湖南",
    "广东",
    "广西",
    "海南",
    "四川",
    "贵州",
    "云南",
    "西藏",
    "陕西",
    "甘肃",
    "青海",
    "宁夏",
    "新疆",
    "台湾",
    "香港",
    "澳门",
];

/// What a first-level division is, the longest first.
const PROVINCE_KINDS: [&str; 7] =
    ["维吾尔自治区", "特别行政区", "壮族自治区", "回族自治区", "自治区", "省", "市"];

/// What a city ends in; a district may follow.
const CITY_ENDS: &str = "市州盟";

/// What a district or county ends in; streets follow.
const DISTRICT_ENDS: &str = "区县旗";

/// Characters of smaller places than districts: roads, villages, compounds, buildings.
const SMALL: &str = "路街道巷弄号村镇乡社小园校厂院楼栋库军景";

/// The longest name there is: 克孜勒苏柯尔克孜自治州.
const UNIT_CHARS_MAX: usize = 11;

/// `上海市浦东新区***`: down to the district, which has some hundred thousand people. Of an address
/// that does not begin with a Chinese province nothing is shown, for what is coarse in it is not
/// known.
pub(super) fn address(value: &str) -> String {
    let text = value.trim_start();
    let text = text.strip_prefix("中国").unwrap_or(text);
    let Some(province) = PROVINCES.iter().find(|province| text.starts_with(**province)) else {
        return HIDDEN.to_owned();
    };
    let mut rest = &text[province.len()..];
    rest = PROVINCE_KINDS.iter().find_map(|kind| rest.strip_prefix(kind)).unwrap_or(rest);
    // At most a city of a prefecture, one of a county, and a district.
    for _ in 0..3 {
        let Some((after, is_district)) = after_unit(rest) else {
            break;
        };
        rest = after;
        if is_district {
            break;
        }
    }
    format!("{}{HIDDEN}", &text[..text.len() - rest.len()])
}

/// What comes after the city or district that a text begins with, and whether it is a district.
fn after_unit(text: &str) -> Option<(&str, bool)> {
    for (at, (offset, c)) in text.char_indices().enumerate().take(UNIT_CHARS_MAX) {
        if !is_han(c) || SMALL.contains(c) {
            return None;
        }
        let is_district = DISTRICT_ENDS.contains(c);
        if at > 0 && (is_district || CITY_ENDS.contains(c)) {
            return Some((&text[offset + c.len_utf8()..], is_district));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_down_to_its_district() {
        for (raw, shown) in [
            ("上海市浦东新区世纪大道 1 号", "上海市浦东新区***"),
            ("广东省广州市天河区天河路 385 号", "广东省广州市天河区***"),
            ("江苏省苏州市昆山市玉山镇前进路 2 号", "江苏省苏州市昆山市***"),
            (
                "新疆维吾尔自治区克孜勒苏柯尔克孜自治州阿图什市光明路",
                "新疆维吾尔自治区克孜勒苏柯尔克孜自治州阿图什市***",
            ),
            ("内蒙古锡林郭勒盟正蓝旗上都镇", "内蒙古锡林郭勒盟正蓝旗***"),
            ("山东省青岛市市北区敦化路 328 号", "山东省青岛市市北区***"),
            ("中国北京朝阳区建国路 93 号", "北京朝阳区***"),
            ("  北京市海淀区中关村南大街 5 号院", "北京市海淀区***"),
        ] {
            assert_eq!(address(raw), shown, "{raw}");
        }
    }

    #[test]
    fn what_is_smaller_than_a_district_or_not_known_is_hidden() {
        for (raw, shown) in [
            ("上海市幸福小区 3 号楼 201 室", "上海市***"),
            ("江苏省苏州工业园区星湖街 328 号", "江苏省苏州***"),
            ("浦东新区世纪大道 1 号", "***"),
            ("世纪大道 1 号", "***"),
            ("221B Baker Street, London", "***"),
            ("上海路 1 号", "上海***"),
            ("上海", "上海***"),
            ("", "***"),
        ] {
            assert_eq!(address(raw), shown, "{raw}");
        }
    }
}

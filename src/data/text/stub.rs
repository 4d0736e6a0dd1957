use super::Comments;
pub const BUILTIN_SIZES: [usize; 3] = [6000, 4000, 8000];
pub fn builtin_comments(_: u64, _: [usize; 3]) -> [Comments; 3] {
    Default::default()
}
pub fn builtin_unbiased_train(_: u64, _: [usize; 3]) -> Comments {
    Default::default()
}
pub fn builtin_identity_words() -> Vec<(String, Vec<String>)> {
    vec![]
}
pub fn identity_reward_templates(_: u64, _: usize, _: usize) -> Comments {
    Default::default()
}
pub fn identity_test_templates(_: u64, _: usize, _: usize) -> Comments {
    Default::default()
}

//! The special functions behind p-values: gamma, normal, chi-square and Kolmogorov tails.
//! Numbers in, probabilities out.

use std::f64::consts::PI;

/// ln Γ(x) for x > 0 (Lanczos, g = 7, nine terms; relative error about 1e-15).
pub fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    for (i, term) in TERMS.iter().enumerate() {
        sum += term / (x + i as f64 + 1.0);
    }
    let t = x + 7.5;
    0.5 * (2.0 * PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The upper regularised incomplete gamma function Q(a, x): series below a + 1, Lentz's
/// continued fraction above.
pub fn gamma_upper(a: f64, x: f64) -> f64 {
    if x.is_nan() || a.is_nan() || a <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let front = a * x.ln() - x - ln_gamma(a);
    if x < a + 1.0 {
        let (mut sum, mut term, mut n) = (1.0 / a, 1.0 / a, a);
        for _ in 0..100_000 {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return 1.0 - sum * front.exp();
    }
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        d = an * d + b;
        if d.abs() < TINY {
            d = TINY;
        }
        c = b + an / c;
        if c.abs() < TINY {
            c = TINY;
        }
        d = 1.0 / d;
        let change = d * c;
        h *= change;
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h * front.exp()
}

/// P(X >= x) of the chi-square distribution with `df` degrees of freedom.
pub fn chi_square_tail(x: f64, df: f64) -> f64 {
    gamma_upper(df / 2.0, x / 2.0)
}

/// Two-sided P(|Z| >= |z|) of the standard normal.
pub fn normal_two_sided(z: f64) -> f64 {
    gamma_upper(0.5, z * z / 2.0)
}

/// P(D_n >= d) of the two-sided one-sample Kolmogorov statistic (scipy's `kstwo.sf`), chosen as in
/// Simard and L'Ecuyer (2011): Marsaglia's matrix for small n, Smirnov's sum in the tail,
/// Pelz and Good between.
pub fn kolmogorov_tail(d: f64, n: u64) -> f64 {
    let size = n as f64;
    if n == 0 || d.is_nan() {
        return f64::NAN;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let t = size * d;
    if t <= 0.5 {
        return 1.0;
    }
    if t >= size - 1.0 {
        return (2.0 * (1.0 - d).powf(size)).min(1.0);
    }
    let spread = t * d;
    if d >= 0.5 || (n <= 140 && spread > 4.0) || (n > 140 && spread >= 2.2) {
        return (2.0 * smirnov_tail(d, n)).min(1.0);
    }
    if n <= 140 {
        return (1.0 - marsaglia(d, n as usize)).clamp(0.0, 1.0);
    }
    (1.0 - pelz_good(d, size)).clamp(0.0, 1.0)
}

/// P(D+ >= d), the exact one-sided sum (Birnbaum and Tingey); above 200,000 the expansion
/// exp(-(6nd+1)^2 / 18n).
fn smirnov_tail(d: f64, n: u64) -> f64 {
    let size = n as f64;
    if n > 200_000 {
        let t = 6.0 * size * d + 1.0;
        return (-t * t / (18.0 * size)).exp();
    }
    let mut sum = 0.0;
    let mut choose = 0.0; // ln of n over j
    for j in 0..=(size * (1.0 - d)).floor() as u64 {
        let at = j as f64;
        if j > 0 {
            choose += ((size - at + 1.0) / at).ln();
        }
        let rest = 1.0 - d - at / size;
        if rest <= 0.0 && j < n {
            break;
        }
        let power = if j == n { 0.0 } else { (size - at) * rest.ln() };
        sum += (choose + (at - 1.0) * (d + at / size).ln() + power).exp();
    }
    d * sum
}

/// P(D_n < d) by Marsaglia, Tsang and Wang (2003): the n-th power of a small matrix.
fn marsaglia(d: f64, n: usize) -> f64 {
    let size = n as f64;
    let k = (size * d).floor() as usize + 1;
    let m = 2 * k - 1;
    let h = k as f64 - size * d;
    let mut matrix = vec![0.0; m * m];
    for i in 0..m {
        for j in 0..m {
            if i + 1 >= j {
                matrix[i * m + j] = 1.0;
            }
        }
    }
    for i in 0..m {
        matrix[i * m] -= h.powi(i as i32 + 1);
        matrix[(m - 1) * m + i] -= h.powi((m - i) as i32);
    }
    matrix[(m - 1) * m] += if 2.0 * h - 1.0 > 0.0 {
        (2.0 * h - 1.0).powi(m as i32)
    } else {
        0.0
    };
    for i in 0..m {
        for j in 0..m {
            if i + 1 > j {
                for g in 1..=(i + 1 - j) {
                    matrix[i * m + j] /= g as f64;
                }
            }
        }
    }
    let (power, mut exponent) = matrix_power(&matrix, m, n);
    let mut probability = power[(k - 1) * m + k - 1];
    for i in 1..=n {
        probability = probability * i as f64 / size;
        if probability < 1e-140 {
            probability *= 1e140;
            exponent -= 140;
        }
    }
    probability * 10f64.powi(exponent)
}

fn matrix_power(matrix: &[f64], m: usize, n: usize) -> (Vec<f64>, i32) {
    if n == 1 {
        return (matrix.to_vec(), 0);
    }
    let (half, exponent) = matrix_power(matrix, m, n / 2);
    let square = matrix_product(&half, &half, m);
    let (mut result, mut exponent) = if n.is_multiple_of(2) {
        (square, 2 * exponent)
    } else {
        (matrix_product(matrix, &square, m), 2 * exponent)
    };
    if result[(m / 2) * m + m / 2] > 1e140 {
        for x in &mut result {
            *x *= 1e-140;
        }
        exponent += 140;
    }
    (result, exponent)
}

fn matrix_product(a: &[f64], b: &[f64], m: usize) -> Vec<f64> {
    let mut product = vec![0.0; m * m];
    for i in 0..m {
        for k in 0..m {
            let x = a[i * m + k];
            for j in 0..m {
                product[i * m + j] += x * b[k * m + j];
            }
        }
    }
    product
}

/// P(D_n <= d) by Pelz and Good (1976): K0 + K1/sqrt(n) + K2/n + K3/n^1.5 of z = d sqrt(n).
fn pelz_good(d: f64, n: f64) -> f64 {
    let z = n.sqrt() * d;
    let (z2, z3, z4, z6) = (z.powi(2), z.powi(3), z.powi(4), z.powi(6));
    let pi2 = PI * PI;
    let (pi4, pi6) = (pi2 * pi2, pi2 * pi2 * pi2);
    if -pi2 / 8.0 / z2 < -708.0 {
        return 0.0;
    }
    let root = (2.0 * PI).sqrt();
    let (mut k0, mut k1, mut k2, mut k3) = (0.0, 0.0, 0.0, 0.0);
    for k in 1..=(16.0 * z / PI).ceil().max(1.0) as u32 {
        let odd = f64::from(2 * k - 1);
        let (m2, m4, m6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let weight = (-m2 * pi2 / (8.0 * z2)).exp();
        k0 += weight;
        k1 += weight * (m2 * pi2 / 4.0 - z2);
        k2 += weight
            * (6.0 * z6
                + 2.0 * z4
                + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2
                + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4);
        k3 += weight
            * (-30.0 * z6 - 90.0 * z.powi(8)
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6);
    }
    k0 *= root / z;
    k1 *= root / (6.0 * z4);
    k2 *= root / (72.0 * z.powi(7));
    k3 *= root / (6_480.0 * z.powi(10));
    let (mut extra2, mut extra3) = (0.0, 0.0);
    for k in 1..=(16.0 * z / PI).ceil().max(1.0) as u32 {
        let k = f64::from(k);
        let weight = (-pi2 * k * k / (2.0 * z2)).exp();
        extra2 += k * k * weight;
        extra3 += (3.0 * z2 - pi2 * k * k) * k * k * weight;
    }
    k2 -= extra2 * pi2 * root / (36.0 * z3);
    k3 += extra3 * pi2 * root / (216.0 * z6);
    k0 + k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5)
}

// Without this page's script the browser shows the titles by itself; with it they come at once, also where there is
// nothing but a finger, and whoever waited for whom stands out.
(() => {
  const chart = document.querySelector('.chart'), tip = document.getElementById('tip');
  if (!chart) return;
  const lanes = [...chart.querySelectorAll('.lane')], waits = [...chart.querySelectorAll('.wait[data-from]')];
  for (const title of chart.querySelectorAll('.lanes title')) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  const clear = () => {
    chart.classList.remove('some');
    for (const x of [...lanes, ...waits]) x.classList.remove('on');
  };
  const mark = i => {
    clear();
    const near = new Set([i]);
    for (const w of waits) {
      const from = w.dataset.from, to = w.dataset.to.split(' ');
      if (from !== i && !to.includes(i)) continue;
      w.classList.add('on');
      if (from === i) to.forEach(t => near.add(t));
      else near.add(from);
    }
    if (near.size < 2) return;
    chart.classList.add('some');
    for (const n of near) lanes[n].classList.add('on');
  };
  const show = e => {
    const at = e.target.closest('[data-tip]');
    if (!at || !chart.contains(at)) { tip.style.display = 'none'; clear(); return; }
    const lane = at.closest('.lane');
    tip.textContent = at.dataset.tip + (lane && lane !== at ? '\n\n' + lane.dataset.tip : '');
    tip.style.display = 'block';
    const box = tip.getBoundingClientRect(), room = 14;
    let x = e.clientX + room, y = e.clientY + room;
    if (x + box.width > innerWidth - 4) x = Math.max(4, e.clientX - box.width - room);
    if (y + box.height > innerHeight - 4) y = Math.max(4, e.clientY - box.height - room);
    tip.style.left = x + 'px';
    tip.style.top = y + 'px';
    if (lane) mark(lane.dataset.i); else clear();
  };
  document.addEventListener('pointermove', show);
  document.addEventListener('pointerdown', show);
  document.addEventListener('scroll', () => { tip.style.display = 'none'; }, { passive: true });
})();
